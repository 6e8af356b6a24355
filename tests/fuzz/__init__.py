"""Coverage-guided fuzzing of everything that takes data from outside: ``python -m tests.fuzz``.

A *target* (:mod:`.targets`) feeds bytes to one entry point and says what became of them. Any
exception that is not the entry point's own clear error, and any input that takes longer than the
target's budget, is a finding; the runner (:mod:`.runner`) makes it smaller and keeps it.

What gives a new kind of answer, or reaches a new line, is mutated further. Few inputs are traced
for their lines; kernels are plain Python for these (:mod:`.plain_kernels`), and compiled for all
others, as they are in production.
"""
