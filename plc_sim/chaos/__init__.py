"""``sorter chaos``: random faults and kills against a served rig, checked against the truth.

==========  ====================================================================================
module      what it is for
==========  ====================================================================================
story       what happens in one run; the same seed gives the same one
performing  puts it on stage: simulator, bad network and ``sorter run``, each a process
making      makes the faults of link, host, disk, clock and processes at their times
rules       which effects each fault may have; everything else is a failure
verdict     compares what was recorded with what happened, by these rules
shrinking   finds the shortest story that still fails
document    ``docs/faults.md``: one fault at a time, measured
command     ``sorter chaos``
==========  ====================================================================================
"""
