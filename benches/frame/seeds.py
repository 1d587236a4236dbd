"""The seeds of generated data, in one place.

Whoever chooses a rule, a weight or a threshold looks at data of the tuning seed alone. What is
reported is measured on the reported seeds, which nobody tunes on.
"""

TUNING = (1,)
REPORTED = (101, 102, 103)
