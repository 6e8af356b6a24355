"""Mistakes in a returns policy."""

from __future__ import annotations

from breakages.form_of_a_break import PLAN, POLICY, Break

POLICIES = {
    "stream with no outlet": Break(
        POLICY,
        "grades: [D], disposition: RECYCLE, stream: recycle",
        "grades: [D], disposition: RECYCLE, stream: recykle",
        "rules[17].stream",
        "stream: recykle",
        "stream 'recykle' has no outlet",
        "did you mean 'recycle'?",
        others=("no rule of",),
    ),
    "stream with no outlet for a grade": Break(
        POLICY,
        "{grades: [D], disposition: RECYCLE",
        "{grades: [C, D], disposition: RECYCLE",
        "rules[17].stream",
        "disposition: RECYCLE",
        "stream 'recycle' has no outlet for grade C",
        "add a route for it to",
    ),
    "route that no rule reaches": Break(
        PLAN,
        "{stream: recycle, grades: [D]",
        "{stream: recycle, grades: [C, D]",
        "routes[8].grades",
        "{stream: recycle",
        "sends grade C to recycle",
        "take it out, or add a rule",
    ),
    "unknown category": Break(
        POLICY,
        "grades: [B], categories: [beauty]",
        "grades: [B], categories: [beuaty]",
        "rules[6].categories",
        "[beuaty]",
        "the category 'beuaty' is not listed",
        "did you mean 'beauty'?",
    ),
    "category twice": Break(
        POLICY,
        "sport, other]\n\n",
        "sport, other, toys]\n\n",
        "categories[9]",
        "categories: [fashion, shoes, electronics, home",
        "'toys' is listed twice",
    ),
    "value range is empty": Break(
        POLICY,
        "value_from_cents: 30000,",
        "value_from_cents: 30000, value_to_cents: 20000,",
        "rules[2].value_to_cents",
        "value_to_cents: 20000",
        "no value is from 30000 to below 20000 cents",
        "more than 30000",
    ),
    "rule for grade U": Break(
        POLICY,
        "{grades: [D], disposition: RECYCLE",
        "{grades: [D, U], disposition: RECYCLE",
        "rules[17].grades",
        "[D, U]",
        "grade U never gets here",
    ),
    "rule shadowed by one": Break(
        POLICY,
        "  - {grades: [B], disposition: OUTLET, stream: outlet}",
        "  - {grades: [B], disposition: OUTLET, stream: outlet}\n"
        "  - {grades: [B], categories: [toys], disposition: OUTLET, stream: outlet}",
        "rules[11]",
        "categories: [toys], disposition",
        "rule 12 can never match: ",
        "move it up",
    ),
    "rule shadowed by several together": Break(
        POLICY,
        "  # --- D, salvage.",
        "  - {grades: [D], value_to_cents: 100, disposition: DESTROY, stream: destroy}\n"
        "  - {grades: [D], value_from_cents: 100, disposition: RECYCLE, stream: recycle}",
        "rules[18]",
        "categories: [beauty, other]",
        "rule 19 can never match: rule 17 (line",
        others=("rule 20 can never match",),
    ),
}
