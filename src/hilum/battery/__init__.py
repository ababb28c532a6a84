"""What PS3 asks of a storage SCP, tried out from outside over raw sockets, one check for each numbered must.

========================  ========================================================================================
``verdict.py``            what a check is and what it can say
``target.py``             whom to call and how long to wait
``line.py``               one connection; ``association.py`` one association
``request.py``            A-ASSOCIATE-RQ as bytes, right or wrong; ``acceptance.py`` reads the A-ASSOCIATE-AC
``octets.py``             the other PDUs as bytes; ``command.py`` command sets; ``instance.py`` data sets
``stored.py``             files that the peer has stored, if they can be looked at
``musts/``                the checks
``run.py``                runs them
========================  ========================================================================================

Nothing here uses ``hilum.wire``: a mistake that both sides share would hide itself.
"""

from hilum.battery.musts import CHECKS, ELSEWHERE
from hilum.battery.run import Outcome, chosen, run
from hilum.battery.stored import Shelf
from hilum.battery.target import Target
from hilum.battery.verdict import Check, Conforms, Deviates, NotObservable, Verdict

__all__ = [
    "CHECKS",
    "ELSEWHERE",
    "Check",
    "Conforms",
    "Deviates",
    "NotObservable",
    "Outcome",
    "Shelf",
    "Target",
    "Verdict",
    "chosen",
    "run",
]
