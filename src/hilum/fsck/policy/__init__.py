"""What differs between ledger and files, and what mends it; pure.

Only settled facts count. What a gateway that runs is about to record, and what its next start takes up by itself, is
no finding.
"""
