"""What people decided about trips, kept apart from the evidence: it is shown and counted, and never moves a probability.

decision   one statement of one reviewer, with what was shown to them      ledger     the append-only file, across runs and nights
standing   what all decisions together say of a trip                       tally      stated probability against what was confirmed
digests    what exactly was judged, as a hash                              for_page   all of it for the report page
"""
