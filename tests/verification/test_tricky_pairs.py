"""Pairs of answers written down for this test from what they mean: half of them equal, half of them not."""

import pytest

from factory.verification import CheckRequest, check

EQUAL = [
    (r"a \leq -1 \text{ or } a \geq 1", r"|a| \geq 1"), ("{x|x>2}", r"(2,\infty)"), ("5", "fifth"), ("C_{10}^{3}", "120"),
    (r"\frac{\sqrt{3}}{2}", r"\rac{\sqrt{3}}{2}"), (r"\text{3 hours}", "3"), (r"x = k\pi", r"x=k\pi\ (k\in\mathbf{Z})"),
    (r"20 \mathrm{~cm}^{2}", "20"), ("B, D", "BD"), ("2004", "Year 2004"), ("8√3 cm²", r"8\sqrt{3}"),
    ('1/2', r"\frac{2}{4}"), ('0.75', r"\frac{3}{4}"), (r"-\frac{1}{3}", r"\frac{-1}{3}"),
    (r"-\frac13", r"\frac{1}{-3}"), (r"2\frac{1}{3}", r"\frac{7}{3}"), ("1000000", "10^6"),
    ("1{,}000", "1000"), ("1,234,567", "1234567"), (r"3 \times 10^{8}", '300000000'), ("3.0", "3"),
    ("0.50", "0.5"), ("+7", "7"), (r"\sqrt{8}", r"2\sqrt{2}"), (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt2}{2}"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"), ("2^{10}", "1024"), (r"e^{\ln 5}", '5'),
    (r"\ln 8", r"3\ln 2"), (r"\log_2 8", '3'), (r"\log_{10} 100", '2'), (r"\sin 30^\circ", r"\frac12"),
    (r"\cos\frac{\pi}{3}", '0.5'), (r"\tan \frac{\pi}{4}", '1'), (r"\binom{5}{2}", '10'), ("5!", "120"),
    (r"\frac{10!}{8!}", '90'), ("(x+1)^2", "x^2+2x+1"), ("x(x-1)", "x^2-x"), (r"\frac{x^2-1}{x-1}", 'x+1'),
    ("a^2-b^2", "(a-b)(a+b)"), ("2(x+3)", "2x+6"), (r"\frac{a+b}{2}", r"\frac{a}{2}+\frac{b}{2}"),
    (r"\sin^2 x", r"1-\cos^2 x"), (r"\sin 2x", r"2\sin x\cos x"), ("e^{x+y}", "e^x e^y"),
    (r"\sqrt{x^2}", '|x|'), ("|x-3|", "|3-x|"), ('x^{-1}', r"\frac1x"), ('x^{1/2}', r"\sqrt{x}"),
    (r"\sqrt[3]{27}", '3'), (r"\sqrt[3]{-8}", '-2'), ("y=2x+1", "2x-y+1=0"), ("x+y=3", "y=3-x"),
    ("x^2+y^2=25", "x^2+y^2-25=0"), (r"y=\frac{1}{2}x", 'x=2y'), ("x=3", "3"), ("x=3", "3=x"), ("3", "x=3"),
    ("x=1,2", "1,2"), (r"x=1 \text{ or } x=2", '1,2'), (r"\{1,2,3\}", r"\{3,1,2\}"),
    ('1,2,3', r"\{1,2,3\}"), ("1, 2", "1 and 2"), ("(1,2)", "x=1, y=2"), ("(1,2)", "(x,y)=(1,2)"),
    ('(0.5,2)', r"(\frac12,2)"), ('[0,1]', r"0\le x\le 1"), (r"(0,\infty)", 'x>0'), ("x>0", "0<x"),
    (r"(-\infty,2]", r"x\leq 2"), (r"(-\infty,1)\cup(1,\infty)", r"x\neq 1"),
    (r"(-\infty,1)\cup(2,\infty)", r"x<1 \text{ or } x>2"), (r"[1,2]\cup[2,3]", '[1,3]'),
    (r"\mathbb{R}", r"(-\infty,\infty)"), (r"\mathbb{R}", r"\text{all real numbers}"),
    (r"\emptyset", r"\text{no solution}"), (r"\{\}", r"\varnothing"), (r"\pm 3", '3,-3'),
    (r"\pm 3", '-3, 3'), (r"x=\pm\sqrt2", r"\sqrt2,-\sqrt2"), (r"1\pm\sqrt2", r"\{1+\sqrt2,1-\sqrt2\}"),
    (r"50\%", '0.5'), (r"50\%", '50'), ('50', r"50\%"), (r"\$5", '5'), ('5', r"\$5.00"),
    (r"\$1,250.50", '1250.5'), (r"5\text{ cm}", '5'), ('5', r"5\text{ cm}"), (r"5\text{ cm}", '5 cm'),
    (r"12\text{ square units}", '12'), (r"30^\circ", '30'), ('30', r"30\text{ degrees}"),
    (r"1\text{ km}", r"1000\text{ m}"), (r"2\text{ hours}", r"120\text{ minutes}"),
    (r"\frac{\pi}{2}", r"90^\circ"), ('3:4', r"\frac34"), ("3:4", "6:8"), ("3:4", "3 : 4"),
    (r"\frac{22}{7}", '22/7'), (r"\dfrac{1}{2}", r"\tfrac12"), (r"\left(\frac12\right)^3", r"\frac18"),
    (r"0.\overline{6}", r"\frac23"), (r"0.1\overline{6}", r"\frac16"), ("3+4i", "4i+3"), ("i^2", "-1"),
    (r"\frac{1}{i}", '-i'), (r"e^{i\pi}", '-1'), ("(1+i)^2", "2i"), ("2i+3", "3+2i"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", '(1,2)'), (r"\text{Monday}", 'Monday'), (r"\text{yes}", 'Yes'),
    (r"\text{even}", 'even'), (r"\text{A}", 'A'), ("(A)", "A"), (r"\text{(C)}", 'C'), ('B', r"\textbf{B}"),
    ("f(x)=x^2", "x^2"), ("f(x)=2x", "f(t)=2t"), ("f(x)=x^2", "y=x^2"), ("x^2", "f(x)=x^2"),
    ("2n+1", "2n + 1"), (r"\frac{n(n+1)}{2}", r"\frac{n^2+n}{2}"), ("2^{n+1}-2", "2(2^n-1)"),
    ('n!', r"n\cdot(n-1)!"), (r"\frac{1}{n}-\frac{1}{n+1}", r"\frac{1}{n(n+1)}"), ("-x+1", "1-x"),
    ("(a,b)", "(a, b)"), (r"x\in\{1,2\}", 'x=1,2'), (r"k\pi, k\in\mathbb{Z}", r"n\pi, n\in\mathbb{Z}"),
    (r"x = \frac{\pi}{4}+k\pi", r"\frac{\pi}{4}+n\pi"), ("3.14", "3.14"), (r"1.5\times 10^{-3}", '0.0015'),
    (r"2.5\text{ million}", '2500000'), ("1e-3", "0.001"), (r"10\sqrt{10}", '10^{3/2}'),
    (r"\sqrt{2}\sqrt{3}", r"\sqrt6"), (r"\frac{2+\sqrt{12}}{2}", r"1+\sqrt3"),
    (r"\sqrt{3+2\sqrt2}", r"1+\sqrt2"), (r"\cos 36^\circ", r"\frac{1+\sqrt5}{4}"),
    (r"\arctan 1", r"\frac{\pi}{4}"), (r"2\arcsin(1)", r"\pi"), (r"\lfloor 3.7\rfloor", '3'),
    (r"\lceil 3.2\rceil", '4'), (r"\max(2,5)", '5'), ("7", "7.0"), ("11_2", "11_{2}"),
    (r"\text{10:30 a.m.}", '10:30 AM'), ("2:30", "2:30"), ("x^2 - 5x + 6 = 0", "(x-2)(x-3)=0"),
    ("2x+4y=6", "x+2y=3"), (r"\frac{x}{2}+\frac{y}{3}=1", '3x+2y=6'), (r"x\ge 3", r"3\le x"),
    ("2<x<5", "5>x>2"), ("2<x<5", "(2,5)"), ("-1", "-1.0"), (r"\text{-1}", '-1'), ("１２", "12"),
    ("−5", "-5"), ("½", "0.5"), ('π/2', r"\frac{\pi}{2}"), ('√3/2', r"\frac{\sqrt{3}}{2}"),
    ("x²+1", "x^2+1"), (r"\text{2 hours 30 minutes}", '150 minutes'),
    (r"1\text{ hour }30\text{ minutes}", r"90\text{ minutes}"),
    (r"2.5\text{ hours}", r"2\text{ hours and }30\text{ minutes}"),
    (r"\text{5 feet 6 inches}", '66 inches'), ("January 5, 2020", "5 January 2020"),
    ("March 3rd", "March 3"), ("2020-01-05", "January 5, 2020"), ("3 PM", "3:00 PM"), ("15:00", "3:00 PM"),
]  # fmt: skip
UNEQUAL = [
    (r"a \leq -1", r"a \leq -1 \text{ or } a \geq 1"), ("x<0", r"x<0 \text{ and } x>1"), ("2:3", r"\frac{3}{2}"), ("5", "6th"),
    ("3 or 5", "3"), ("8 cm", "8 m"), ("6", "at least 7"), ("5", "at most 5"), ("5", "x>5"), ("5", "5k"), ("5", "5n"), ("5", "5 + C"),
    ("3e2", "3e^2"), ("2", "two thousand"), ("half", "2"), ("1/3", "third"), ("3 hours", "3 minutes"), ("C_{10}^{3}", "100"),
    ("B, D", "B, E"), ("1234567", "12,34,568"), ("0.5", "0{,}25"), ("12", "1_2"), (r"\$0.75", "0.75 cents"), ("22^\\circ C", "22^\\circ F"),
    ("12", "1 2"), ("n", "k"), ("M", "m"),
    ("1/2", "1/3"), ("0.75", "0.57"), ("3", "-3"), ("1", "10"), ("100", "1000"), ("1000", "1.000"),
    ("1,000", "1"), ("12", "1,2"), ("12", "21"), ("0.1", "0.01"), (r"\frac{2}{3}", r"\frac{3}{2}"),
    (r"2\frac13", r"\frac{2}{3}"), (r"2\frac13", r"\frac{23}{3}"), ("10^6", "10^5"), ("10^{6}", "106"),
    ("2^{10}", "2^{11}"), ("2^{10}", "210"), (r"\sqrt2", '2'), (r"\pi", r"\frac{22}{7}"), (r"2\pi", r"\pi"),
    (r"\pi^2", r"2\pi"), (r"\frac13", '0.3'), ("3.14", "3.15"), ("3.14", "3.1"), ("2.5", "2.51"),
    ("99.5", "99"), (r"\ln 2", r"\log_2 e"), (r"\ln 2", r"\ln 3"), (r"\log_2 3", r"\log_3 2"),
    (r"\sin x", r"\cos x"), (r"\sin x", r"\sin 2x"), ("x^2", "2x"), ("x^2", "x^3"), ("(x+1)^2", "x^2+1"),
    ("x+1", "x-1"), (r"\frac{1}{x+1}", r"\frac{1}{x}+1"), ("a-b", "b-a"), ("a+b", "ab"), ("ab", "a/b"),
    (r"\frac{a}{b}", r"\frac{b}{a}"), ("2x+3y", "3x+2y"), ("e^x", "e^{-x}"), ("e^x", "x^e"),
    ("n!", "(n-1)!"), (r"\binom{n}{2}", r"\binom{n}{3}"), ("2n+1", "2n-1"), ("y=2x+1", "y=2x-1"),
    ("y=2x+1", "x=2y+1"), ("x+y=3", "x-y=3"), ("x^2+y^2=25", "x^2+y^2=5"), ("x^2+y^2=4", "x^2-y^2=4"),
    (r"\frac{x^2}{4}+\frac{y^2}{9}=1", r"\frac{x^2}{9}+\frac{y^2}{4}=1"), ("x=3", "x=-3"), ("x=3", "y=4"),
    ("x=1,2", "x=1"), ("x=1", "x=1,2"), ("1,2", "1,2,3"), ("1,2,3", "1,2"), (r"\{1,2\}", r"\{1,3\}"),
    (r"\{1,2,3\}", '3'), ('1', r"\{1,2\}"), ("2", "1,2"), ("(1,2)", "(2,1)"), ("(1,2,3)", "(1,3,2)"),
    ("(1,2)", "(1,-2)"), ("(1,2)", "(1,2,3)"), ("[0,1]", "(0,1)"), ("[0,1)", "(0,1]"), ("(0,1)", "(0,2)"),
    (r"(0,\infty)", r"[0,\infty)"), ("x>0", "x<0"), ('x>0', r"x\ge 0"), (r"(-\infty,2)", r"(2,\infty)"),
    (r"(-\infty,1)\cup(1,\infty)", r"(-\infty,\infty)"), (r"[1,2]\cup[3,4]", '[1,4]'),
    ('1<x<2', r"1\le x\le 2"), (r"x<1\text{ or }x>2", '1<x<2'), (r"\mathbb{R}", r"\mathbb{Z}"),
    (r"\mathbb{R}", r"\emptyset"), (r"\emptyset", r"\{0\}"), (r"\text{no solution}", '0'),
    ('0', r"\text{none}"), (r"\infty", r"-\infty"), (r"\infty", '0'), (r"\pm 3", '3'), ('3', r"\pm 3"),
    (r"\pm 3", r"\pm 2"), (r"1\pm\sqrt2", r"1+\sqrt2"), (r"1+\sqrt2", r"1-\sqrt2"),
    (r"1+\sqrt2", r"1\pm\sqrt2"), (r"50\%", r"5\%"), (r"50\%", '0.05'), ('0.5', r"5\%"), (r"\$5", r"\$50"),
    (r"\$5.25", r"\$5.52"), (r"\$5", r"5\%"), (r"5\text{ cm}", r"5\text{ m}"),
    (r"5\text{ km}", r"5\text{ miles}"), (r"5\text{ kg}", r"5\text{ g}"),
    (r"5\text{ hours}", r"5\text{ minutes}"), (r"2\text{ hours}", r"2\text{ days}"),
    (r"5 \text{ cm}^2", r"5\text{ cm}^3"), (r"5\text{ m}^2", r"5\text{ m}"),
    (r"60\text{ km/h}", r"60\text{ m/s}"), (r"30^\circ", r"60^\circ"), (r"30^\circ", r"\frac{\pi}{3}"),
    (r"\frac{\pi}{2}", r"\frac{2}{\pi}"), ("3:4", "4:3"), ("3:4", "3:5"), ("1:2:3", "1:3:2"),
    (r"0.\overline{6}", '0.6'), (r"0.1\overline{6}", '0.16'), ("3+4i", "3-4i"), ("3+4i", "4+3i"),
    ("i", "-i"), ("i", "1"), ("3+4i", "5"), ("2i", "2"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&3\\2&4\end{pmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}2\\1\end{pmatrix}"),
    (r"\text{Monday}", 'Tuesday'), (r"\text{yes}", 'no'), (r"\text{even}", 'odd'), ("A", "B"),
    ("(A)", "(D)"), (r"\text{not prime}", r"\text{prime}"), (r"\text{true}", r"\text{not true}"),
    (r"\text{Alice and Bob}", r"\text{Alice}"), ("f(x)=x^2", "f(x)=x^3"), ("f(x)=2x", "f(x)=2"),
    ("f(x)=x", "f(x)=-x"), ("f(x)=0", "f(x)=x"), ("f(x)=cx", "f(x)=c"), ("2^n", "2n"), ("2^n", "n^2"),
    ("2^{n+1}-2", "2^{n}-2"), (r"\frac{n(n+1)}{2}", r"\frac{n(n-1)}{2}"), (r"k\pi", r"2k\pi"),
    (r"\frac{\pi}{4}+k\pi", r"\frac{\pi}{4}+2k\pi"), (r"\frac{\pi}{4}", r"\frac{\pi}{4}+k\pi"),
    ("x^2-5x+6=0", "x^2+5x+6=0"), ("2x+4y=6", "x+2y=6"), (r"x\ge3", r"x\ge-3"), ("2<x<5", "2<x<6"),
    ("x<3", "-x<3"), ("2x<6", "x<6"), ("|x|<2", "x<2"), ("11_2", "11_3"), ("101_2", "110_2"),
    ("10:30", "10:03"), ("2:30", "3:20"), ("10:30 a.m.", "10:30 p.m."), ("3 PM", "3 AM"),
    ("15:00", "5:00 PM"), ("January 5, 2020", "January 6, 2020"), ("January 5, 2020", "May 1, 2020"),
    ("2020-01-05", "2020-05-01"), (r"2\text{ hours }30\text{ minutes}", r"2\text{ hours }3\text{ minutes}"),
    (r"2\text{ hours }30\text{ minutes}", r"230\text{ minutes}"),
    (r"2\text{ hours }30\text{ minutes}", r"2.3\text{ hours}"),
    (r"5\text{ feet }6\text{ inches}", r"5.6\text{ feet}"), ("10^{-10}", "0"), ("10^{-10}", "10^{-11}"),
    (r"\frac{1}{2^{100}}", r"\frac{1}{2^{101}}"), ("10^{100}", "10^{100}+1"),
    (r"\frac{1}{100!}", r"\frac{1}{101!}"), ("2^{1000}", "2^{1001}"), ("1-10^{-20}", "1"),
    ("99999999999999999999", "100000000000000000000"), ("123456789012345678", "123456789012345679"),
    ("0.1234567890123456", "0.1234567890123457"), ("1.0000001", "1"), (r"\sqrt{10^{40}+1}", '10^{20}'),
    (r"\cos(10^{-15})", '1'), (r"\sqrt2+\sqrt3", r"\sqrt5"), (r"\sqrt{17}-4", r"\frac{1}{8}"),
    (r"(\sqrt2)^2", r"\sqrt{4}+10^{-16}"), ("x", "x+10^{-20}"), (r"e^{\pi\sqrt{163}}", '640320^3+744'),
    (r"e^{\pi\sqrt{163}}", '262537412640768744'), (r"\frac{a^2-b^2}{a-b}", 'a-b'),
    (r"\sqrt{x^2+y^2}", 'x+y'), (r"\sqrt{x+1}", r"\sqrt{x}+1"), (r"\ln(x+y)", r"\ln x+\ln y"),
    ("(x+y)^3", "x^3+y^3"), (r"\sin(x+y)", r"\sin x+\sin y"), (r"\frac{d}{dx}x^2", 'x^2'),
    (r"\int x dx", 'x'), ("12 apples", "13 apples"), ("A, B", "A, C"),
    (r"\text{3 red, 2 blue}", r"\text{2 red, 3 blue}"), ("x=2,y=3", "x=3,y=2"),
    ("a=1,b=2,c=3", "a=1,b=3,c=2"), ("-2<x<3", "-3<x<2"), (r"\overrightarrow{AB}", r"\overrightarrow{BA}"),
    ("AB", "BC"), (r"\triangle ABC", r"\triangle ABD"), (r"\angle A", r"\angle B"), ("x_1", "x_2"),
    ("a_n=2n", "a_n=2^n"), (r"p \wedge q", r"p \vee q"), (r"\neg p", 'p'), ("y=|x|", "y=x"),
    (r"\sqrt{x^2}", 'x'), ("-4^2", "16"), ("(-4)^2", "-16"), ("2^{3^2}", "64"), ("1/2x^2", "2x^2"),
    ("1/(2x)", "x/2"), (r"\frac{1}{2}x", r"\frac{1}{2x}"), ("x^{ab}", "x^{a+b}"),
]  # fmt: skip
TOO_FEW_DIGITS = [
    (r"\sqrt2", '1.4'), (r"\sqrt2", '1.41'), (r"\pi", '3.14'), (r"\frac13", '0.333'),
    (r"\frac{1}{7}", '0.14'), (r"0.\overline{3}", '0.33'),
]  # fmt: skip
"""As a gold the decimal may be a rounded value; as an answer to an exact gold it is not enough."""


def correct(gold, answer):
    return check(CheckRequest(f"The answer is \\boxed{{{answer}}}.", gold)).correct


@pytest.mark.parametrize(("gold", "answer"), EQUAL)
def test_equal_both_ways(gold, answer):
    assert correct(gold, answer) and correct(answer, gold)


@pytest.mark.parametrize(("gold", "answer"), UNEQUAL)
def test_unequal_both_ways(gold, answer):
    assert not correct(gold, answer) and not correct(answer, gold)


@pytest.mark.parametrize(("gold", "answer"), TOO_FEW_DIGITS)
def test_a_decimal_is_no_exact_answer(gold, answer):
    assert not correct(gold, answer)
