"""Word problems on a dependency graph of quantities, with distractors, and times of day."""

from __future__ import annotations

import random
from typing import Any

from factory.sources.families.family import NAMES, Family, Options, Params, pick
from factory.sources.families.scratch import Scratch
from schemas import Level

ITEMS = (
    "apples", "marbles", "stamps", "postcards", "beads", "seashells", "coins", "stickers", "buttons", "pencils",
    "walnuts", "toy cars", "comic books", "ribbons", "badges",
)  # fmt: skip


def _draw_graph(rng: random.Random, level: Level, options: Options) -> Params:
    low, high, distractors, largest = {
        Level.ELEMENTARY: (2, 3, 0, 12),
        Level.MIDDLE: (3, 5, rng.randint(1, 2), 25),
        Level.HIGH_SCHOOL: (6, 8, rng.randint(2, 3), 40),
    }[level]
    needed = options.count(rng, low, high)
    people = rng.sample(NAMES, min(needed + distractors, len(NAMES)))
    item = rng.choice(ITEMS)
    nodes: list[list[Any]] = [[people[0], "is", rng.randint(3, largest), None]]
    values = [nodes[0][2]]
    for number in range(1, len(people)):
        useful = number < needed
        source = number - 1 if useful else rng.randrange(number)
        nodes.append([people[number], *_relation(rng, source, values, largest, level)])
        values.append(_value(nodes, number))
    total = rng.random() < 0.5 and needed > 1
    asked = [needed - 1, rng.randrange(needed - 1)] if total else [needed - 1]
    return {"item": item, "nodes": nodes, "asked": asked, "order": rng.sample(range(len(nodes)), len(nodes))}


def _relation(rng: random.Random, source: int, values: list[int], largest: int, level: Level) -> list[Any]:
    value = values[source]
    kinds = ["more"]
    if value > 3:
        kinds.append("fewer")
    if value <= 40:
        kinds.append("times")
    if value % 2 == 0 and value > 2:
        kinds.append("half")
    if source > 0 and level == Level.HIGH_SCHOOL:
        kinds.append("sum")
    kind = rng.choice(kinds)
    if kind == "sum":
        return ["sum", [source, rng.randrange(source)], None]
    number = {
        "more": rng.randint(2, largest),
        "fewer": rng.randint(1, max(1, value - 1)),
        "times": rng.randint(2, 4),
    }
    return [kind, number.get(kind, 2), source]


def _value(nodes: list[list[Any]], index: int) -> int:
    _, kind, number, source = nodes[index]
    if kind == "is":
        return int(number)
    if kind == "sum":
        return sum(_value(nodes, each) for each in number)
    value = _value(nodes, source)
    return {"more": value + number, "fewer": value - number, "times": value * number, "half": value // 2}[
        kind
    ]


def _sentence(rng: random.Random, nodes: list[list[Any]], index: int, item: str) -> str:
    name, kind, number, source = nodes[index]
    if kind == "is":
        return pick(rng, f"{name} has {number} {item}.", f"There are {number} {item} in {name}'s bag.")
    if kind == "sum":
        first, second = (nodes[each][0] for each in number)
        return pick(
            rng,
            f"{name} has as many {item} as {first} and {second} have together.",
            f"Putting {first}'s and {second}'s {item} together gives exactly the number that {name} has.",
        )
    other = nodes[source][0]
    if kind == "more":
        return pick(
            rng,
            f"{name} has {number} more {item} than {other}.",
            f"{other} has {number} {item} fewer than {name} does.",
        )
    if kind == "fewer":
        return pick(
            rng,
            f"{name} has {number} fewer {item} than {other}.",
            f"{number} of {other}'s {item} are missing in {name}'s collection, which is otherwise as large.",
        )
    if kind == "half":
        return pick(
            rng, f"{name} has half as many {item} as {other}.", f"{other} has twice as many {item} as {name}."
        )
    word = {2: "twice", 3: "three times", 4: "four times"}[number]
    return pick(
        rng,
        f"{name} has {word} as many {item} as {other}.",
        f"The number of {item} that {name} has is {number} times {other}'s.",
    )


def _tell_graph(rng: random.Random, params: Params, terse: bool) -> str:
    nodes, item, asked = params["nodes"], params["item"], params["asked"]
    if terse:
        rows = "; ".join(_formula(nodes, index) for index in params["order"])
        return f"{rows}; {'+'.join(nodes[index][0] for index in asked)}=?"
    told = " ".join(_sentence(rng, nodes, index, item) for index in params["order"])
    names = [nodes[index][0] for index in asked]
    intro = pick(
        rng, "", "", f"Some friends collect {item}. ", f"At school, a group of children compare their {item}. ",
        f"After the fair everybody counts {item}. ",
    )  # fmt: skip
    if len(names) == 1:
        question = pick(
            rng, f"How many {item} does {names[0]} have?", f"What is the number of {names[0]}'s {item}?"
        )
    else:
        question = pick(
            rng,
            f"How many {item} do {names[0]} and {names[1]} have altogether?",
            f"If {names[0]} and {names[1]} put their {item} into one box, how many are in it?",
        )
    return f"{intro}{told} {question}"


def _formula(nodes: list[list[Any]], index: int) -> str:
    name, kind, number, source = nodes[index]
    if kind == "is":
        return f"{name}={number}"
    if kind == "sum":
        return f"{name}={nodes[number[0]][0]}+{nodes[number[1]][0]}"
    sign = {"more": f"+{number}", "fewer": f"-{number}", "times": f"*{number}", "half": "/2"}[kind]
    return f"{name}={nodes[source][0]}{sign}"


def _answer_graph(params: Params) -> int:
    return sum(_value(params["nodes"], index) for index in params["asked"])


def _sources(node: list[Any]) -> list[int]:
    return list(node[2]) if node[1] == "sum" else [] if node[1] == "is" else [node[3]]


def _solve_graph(params: Params, pad: Scratch) -> int:
    nodes, asked, item = params["nodes"], params["asked"], params["item"]
    needed: set[int] = set()
    stack = list(asked)
    while stack:
        index = stack.pop()
        if index not in needed:
            needed.add(index)
            stack += _sources(nodes[index])
    names = [nodes[index][0] for index in asked]
    pad.plan(
        f"I am asked for the {item} of {' and '.join(names)}. "
        f"Which quantities do I need for that? Tracing back: {', '.join(nodes[i][0] for i in sorted(needed, reverse=True))}."
    )
    idle = [nodes[index][0] for index in range(len(nodes)) if index not in needed]
    if idle:
        pad.note(f"What is said about {' and '.join(idle)} is not needed, so I leave it out.")
    values: dict[int, int] = {}
    for index in sorted(needed):
        name, kind, number, source = nodes[index]
        if kind == "is":
            values[index] = int(number)
            pad.note(f"{name} has {number} {item}; that is given directly.", f"{name}={number}")
            continue
        values[index] = _work(pad, name, kind, number, source, values)
    result = sum(values[index] for index in asked)
    if len(asked) == 2:
        result = pad.calc(
            " + ".join(str(values[index]) for index in asked), result, lead="Together they have"
        )
    true = _answer_graph(params)
    pad.check(
        f"Going through the sentences once more and computing afresh, {' plus '.join(names)} comes to {true}; above I got {result}.",
        result == true,
        terse=f"{'+'.join(names)}={result}",
    )
    return result


def _work(pad: Scratch, name: str, kind: str, number: Any, source: int, values: dict[int, int]) -> int:
    if kind == "sum":
        first, second = (values[each] for each in number)
        expression, value = f"{first} + {second}", first + second
    else:
        known = values[source]
        expression, value = {
            "more": (f"{known} + {number}", known + number),
            "fewer": (f"{known} - {number}", known - number),
            "times": (f"{known} * {number}", known * number),
            "half": (f"{known} / 2", known // 2),
        }[kind]
    return pad.calc(expression, value, lead=f"So {name} has", terse=f"{name}={expression.replace(' ', '')}")


QUANTITY_GRAPH = Family(
    "quantity_graph",
    "word_problems",
    (Level.ELEMENTARY, Level.MIDDLE, Level.HIGH_SCHOOL),
    _draw_graph,
    _tell_graph,
    _answer_graph,
    _solve_graph,
    frozenset({"steps"}),
)


def _draw_time(rng: random.Random, level: Level, options: Options) -> Params:
    start = rng.randint(6 * 60, 12 * 60)
    breaks = [rng.choice((5, 10, 12, 15, 20, 25, 30)) for _ in range(options.count(rng, 0, 2))]
    end = start + sum(breaks) + rng.randint(45, 480)
    return {"start": start, "end": end, "breaks": breaks, "name": rng.choice(NAMES), "what": rng.randrange(4)}


def _clock(minutes: int) -> str:
    return f"{minutes // 60}:{minutes % 60:02d}"


def _tell_time(rng: random.Random, params: Params, terse: bool) -> str:
    start, end, name, breaks = (
        _clock(params["start"]),
        _clock(params["end"]),
        params["name"],
        params["breaks"],
    )
    if terse:
        return f"from {start} to {end} without {', '.join(map(str, breaks)) or 'no'} min of breaks: minutes?"
    doing = ("hikes", "works in the garden", "drives to the coast", "practises the piano")[params["what"]]
    noun = ("walking", "working", "driving", "practising")[params["what"]]
    rests = " and ".join(f"one break of {rest} minutes" for rest in breaks)
    if not breaks:
        return pick(
            rng,
            f"{name} {doing} from {start} to {end} (24-hour clock) without a pause. How many minutes is that?",
            f"It is {start} when {name} begins and {end} on the 24-hour clock when {name} stops. How many minutes have passed?",
        )
    return pick(
        rng,
        f"{name} {doing} from {start} to {end} (24-hour clock), with {rests}. For how many minutes is {name} really {noun}?",
        f"On a 24-hour clock, {name} starts at {start} and is finished at {end}. In between there is {rests}. "
        f"How many minutes of {noun} remain when the breaks are not counted?",
        f"Starting time {start}, finishing time {end}, and {rests}: how many minutes does {name} spend {noun}?",
    )


def _answer_time(params: Params) -> int:
    return int(params["end"] - params["start"] - sum(params["breaks"]))


def _solve_time(params: Params, pad: Scratch) -> int:
    (h1, m1), (h2, m2) = divmod(params["start"], 60), divmod(params["end"], 60)
    pad.plan("First the whole time from start to end in minutes, then I take the breaks away.")
    hours = pad.calc(f"{h2} - {h1}", h2 - h1, lead="Hours between the full hours:")
    minutes = pad.calc(f"{hours} * 60", hours * 60, lead="In minutes:")
    span = pad.calc(f"{minutes} + {m2} - {m1}", minutes + m2 - m1, lead="With the minutes of both times:")
    for rest in params["breaks"]:
        span = pad.calc(f"{span} - {rest}", span - rest, lead="Without the break:")
    back = params["start"] + sum(params["breaks"]) + span
    pad.check(
        f"{_clock(params['start'])} plus {span} minutes plus the breaks is {_clock(max(back, 0))}; the end is {_clock(params['end'])}.",
        back == params["end"],
        terse=f"{_clock(params['start'])}+{span}m",
    )
    return span


ELAPSED_TIME = Family(
    "elapsed_time", "arithmetic", (Level.ELEMENTARY,), _draw_time, _tell_time, _answer_time, _solve_time
)
