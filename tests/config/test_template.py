"""Places in texts are found, and all other braces survive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.config.template import fill, names_in


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        (r"Put it in \boxed{{}}. {problem}", r"Put it in \boxed{}. P"),
        (r"\boxed{} {problem}", r"\boxed{} P"),
        (r"{problem}: \boxed{\frac{1}{2}}", r"P: \boxed{\frac{1}{2}}"),
        (r"\boxed{answer}, \frac{hint}{hint}, \sqrt[n]{hint}, x^{hint}, a_{hint} {problem}", None),
        (r"\boxed{{{hint}}} {problem}", r"\boxed{H} P"),
        (r"\mathbb{R} \{hint\} {problem}", r"\mathbb{R} \{hint\} P"),
        ("Q:\\n{hint} {problem}", "Q:\\nH P"),
        ("_{hint}_ **{hint}** ({hint}) [x]{hint} {hint}{problem}", "_H_ **H** (H) [x]H HP"),
        ('{{"answer": {{"x": {problem}}}}}', '{"answer": {"x": P}}'),
        ('{"a": 1, "b": {"c": []}} {1} {} { x } {a b} {problem}', None),
        ("{{hint}} {problem}", "{hint} P"),
        ("{{problem}} {problem}", "{problem} P"),
        ("{{{problem}}}", "{P}"),
        ("{{ opens }} and }} {{ {problem}", "{ opens } and } { P"),
        (r"\text{problem}", r"\textP"),
        ("{{problem}", "{P"),
        ("{problem}}", "P}"),
        ("{é} {problem}", "E P"),
    ],
)
def test_braces(template, filled):
    fields = {"problem": "P", "hint": "H", "é": "E"}
    assert fill(template, fields) == (template.replace("{problem}", "P") if filled is None else filled)


def former(template, text):
    """The rule of earlier versions, for prompts with `{problem}` alone."""
    return text.join(each.replace("{{", "{").replace("}}", "}") for each in template.split("{problem}"))


PIECES = st.sampled_from(
    ["{problem}", "{{}}", "{}", "{{x}}", r"\boxed{{}}", "word ", "\n", "{{a {{b}} c}}", "{{", "}}", ". "]
)


@given(st.lists(PIECES, max_size=8))
def test_prompts_of_earlier_versions_are_sent_as_they_were(pieces):
    """So that answers that were paid for are found again; only what was damaged before, like \\frac{1}{2}}, is sent otherwise."""
    template = " ".join(pieces)
    assert fill(template, {"problem": "P"}) == former(template, "P")


@given(st.text(st.sampled_from("{}\\ab^_ [].,\n1"), max_size=40))
def test_any_text_is_read_and_what_stands_in_a_field_is_never_a_place(template):
    names = names_in(template)
    filled = fill(template, {name: "{a}{{b}}\\frac{1}{2}" for name in names})
    assert filled.count("{a}{{b}}") >= len(names)
