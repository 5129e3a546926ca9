"""What the model of the journeys says: to each of twelve problems some ways to the answer, and for most a wrong one."""

from __future__ import annotations

PROBLEMS: dict[str, tuple[int, list[tuple[str, int]]]] = {
    "A bus has 17 passengers. At the next stop 5 get off. How many are left?": (
        12,
        [
            ("Seventeen people ride and five leave. 17 - 5 = 12. Check: 12 + 5 = 17, as it should be.", 12),
            ("I count down from 17: 16, 15, 14, 13, 12. That is five steps, so twelve stay on the bus.", 12),
            ("The stop changes the number by 5. 17 + 5 = 22, so twenty-two people are on the bus now.", 22),
        ],
    ),
    "How many edges does a cube have?": (
        12,
        [
            (
                "Four edges at the bottom, four at the top and four upright ones join them. 4 + 4 + 4 = 12.",
                12,
            ),
            ("A cube has 6 faces with 4 edges each; every edge belongs to two faces. 6 * 4 / 2 = 12.", 12),
            ("A cube has eight corners, and I remember that corners and edges are equally many, so 8.", 8),
        ],
    ),
    "What is the least common multiple of 4 and 6?": (
        12,
        [
            ("Multiples of 6: 6, 12, 18. The first that 4 divides is 12, since 12 / 4 = 3.", 12),
            ("4 = 2 * 2 and 6 = 2 * 3, so I need two twos and a three: 2 * 2 * 3 = 12.", 12),
            ("The product of both numbers is a multiple of both: 4 * 6 = 24, and that is the least one.", 24),
        ],
    ),
    "Solve 3x - 7 = 29 for x.": (
        12,
        [
            ("Add 7 to both sides: 3x = 36. Divide by 3: x = 12. Check: 3 * 12 - 7 = 36 - 7 = 29. Good.", 12),
            ("Let me try x = 10: 30 - 7 = 23, too small by 6. Each step of x adds 3, so two more: 12.", 12),
            ("Move the 7: 3x = 29 - 7 = 22, and 22 / 3 is not whole. Hmm, I round it: x is 7.", 7),
        ],
    ),
    "Ann reads 84 pages in a week, the same number every day. How many pages does she read per day?": (
        12,
        [
            ("A week has seven days, so each day has 84 / 7 pages. 7 * 12 = 84, hence 12.", 12),
            (
                "70 pages would be ten a day, and 14 pages are left for seven days, two more each. 10 + 2 = 12.",
                12,
            ),
            ("She reads on six days and rests on Sunday: 84 / 6 = 14 pages on each of these days.", 14),
        ],
    ),
    "What is the remainder when 112 is divided by 20?": (
        12,
        [
            ("20 * 5 = 100 and 20 * 6 = 120, which is too much. 112 - 100 = 12 remains.", 12),
            ("Take twenty away again and again: 92, 72, 52, 32, 12. Now 12 is below 20: done.", 12),
        ],
    ),
    "In how many ways can two of four runners take first and second place?": (
        12,
        [
            ("Four runners can be first, and for each of them three others second. 4 * 3 = 12.", 12),
            (
                "Pairs of four: AB, AC, AD, BC, BD, CD are six, and each can finish in two orders. 6 * 2 = 12.",
                12,
            ),
            ("It is a choice of two out of four: 4 * 3 / 2 = 6, since the order is of no interest.", 6),
        ],
    ),
    "Find the sum of the digits of 2019.": (
        12,
        [
            ("The digits are 2, 0, 1 and 9. 2 + 0 = 2, then 2 + 1 = 3, then 3 + 9 = 12.", 12),
            ("Nine and one make ten, the zero adds nothing, and two more give twelve in all.", 12),
            ("2019 is 20 and 19, and 20 + 19 = 39; the digits of these add up to 39.", 39),
        ],
    ),
    "The mean of 8, 10 and n is 10. What is n?": (
        12,
        [
            ("The sum must be 3 * 10 = 30. 8 + 10 = 18, so n = 30 - 18 = 12.", 12),
            ("8 lies two below the mean and 10 on it, so n must lie two above: 10 + 2 = 12.", 12),
        ],
    ),
    "What is the sum of the first five odd numbers?": (
        25,
        [
            ("They are 1, 3, 5, 7 and 9. 1 + 3 = 4, 4 + 5 = 9, 9 + 7 = 16, 16 + 9 = 25.", 25),
            ("The first n odd numbers add up to n squared; for n = 5 that is 5 * 5 = 25.", 25),
            ("The odd numbers are 1, 3, 5 and 7, and 1 + 3 + 5 + 7 = 16.", 16),
        ],
    ),
    "A shirt of 40 dollars is sold for a quarter less. What does it cost now, in dollars?": (
        30,
        [
            ("A quarter of 40 is 10. 40 - 10 = 30.", 30),
            ("Three quarters of the price stay: 40 * 3 / 4 = 120 / 4 = 30 dollars.", 30),
            ("A quarter is 25, so the shirt costs 40 - 25 = 15 dollars now.", 15),
        ],
    ),
    "How many minutes are a fifth of an hour?": (
        12,
        [
            ("An hour has 60 minutes. 60 / 5 = 12.", 12),
            ("Five parts of ten minutes are 50; the ten that are left give two more to each: 12.", 12),
        ],
    ),
}
"""Problem: its answer, and ways to answer it with what each comes to."""


def replies() -> dict[str, list[list[str]]]:
    """As the fault server takes them (`replies`)."""
    return {
        problem: [[chain, f"The answer is \\boxed{{{said}}}."] for chain, said in ways]
        for problem, (_, ways) in PROBLEMS.items()
    }
