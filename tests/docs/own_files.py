"""The files of docs/own-functions.md."""

FILES = {
    "mychecks.py": '''def is_right(extracted, answer, tolerance=0.01):
    """A number within the tolerance that the row states."""
    return abs(float(extracted) - float(answer)) <= float(tolerance)
''',
    "chat.yaml": """- system: You are a careful tutor. Put the final answer in \\boxed{answer}.
- user: "What is half of 3?"
- assistant: 'Half of 3 is \\boxed{\\frac{3}{2}}.'
- user: "{problem}\\nHint: {hint}"
""",
    "myprompts.py": '''def ask(problem, hint, unit):
    """The messages to send, or one text."""
    question = f"{problem} Answer in {unit}." if unit else problem
    return [{"role": "system", "content": f"Hint: {hint}"}, {"role": "user", "content": question}]
''',
    "others.py": """def story(row):  # Curator: prompt(self, input)
    return f"Write a story in which somebody asks: {row['problem']}"


def greeting(unit):  # Data Designer: a custom column
    return {"domain": f"in {unit}"} if unit else None


def score(response, answer):  # open-instruct: VerifierFunction
    return 1.0 if answer[:3] in response else 0.0
""",
    "nemo.yaml": """system: You are a mathematician.

user: |-
  Solve the following math problem. Make sure to put the answer (and only answer) inside \\boxed{{}}.

  {problem}
""",
    "mylabels.py": """def topic(problem, unit):
    return {"domain": "measuring", "level": "elementary"} if unit else None


def short_enough(response, verdict):
    if len(response.split()) > 12:
        return "longer than 12 words"
    return verdict == "correct"
""",
}
ROWS = {
    "answers.jsonl": [
        {"problem": "What is pi?", "answer": "3.14159", "tolerance": 0.01, "unit": None,
         "response": "<think>About 22/7.</think>It is \\boxed{3.14}."},
        {"problem": "What is the square root of 2?", "answer": "1.41421", "tolerance": 0.001, "unit": None,
         "response": "<think>1.5 squared is 2.25.</think>It is \\boxed{1.5}."},
        {"problem": "How long is a marathon?", "answer": "42.195", "tolerance": 0.5, "unit": "km",
         "response": "<think>26.2 miles.</think>It is \\boxed{42}."},
        {"problem": "How long is a mile?", "answer": "1.609", "tolerance": 0.01, "unit": "km",
         "response": "<think>It has 5,280 feet of 0.3048 m.</think>One mile is as long as 1,609 metres, and that makes, "
         "when we divide it by a thousand, about \\boxed{1.61}."},
        {"problem": "How long is a cubit?", "answer": "0.45", "tolerance": 0.1, "unit": "m",
         "response": "<think>It depends.</think>It is \\boxed{an elbow}."},
    ],
    "problems.jsonl": [
        {"problem": "How long is a marathon?", "answer": "42.195", "hint": "26.2 miles", "unit": "km"},
        {"problem": "What is $\\frac{6}{2}$ of {4, 5}?", "answer": "12", "hint": "take the {first}", "unit": None},
    ],
}  # fmt: skip
"""Rows of the files that the commands read."""
