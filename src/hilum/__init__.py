"""Hilum, a DICOM gateway between imaging devices and AI workflows.

One instance goes through the folders in this order; every hand-over from step 3 on is a row of the ledger:

====  ===============  ==========================  ===================================  =======================
step  folder           takes                       gives                                waits in
====  ===============  ==========================  ===================================  =======================
1     ``wire``         bytes                       PDUs, DIMSE messages                 memory
2     ``association``  one peer's messages         instances, one by one                memory
3     ``store``        an instance                 a file in the spool, rows at release ledger: instance
4     ``group``        released instances          closed groups                        ledger: group closed
5     ``job``          a closed group              jobs with a payload folder           ledger: job queued
6     ``engine``       a queued job                a finished job                       ledger: job finished
7     ``results``      a finished job              results, deliveries due              ledger: delivery due
8     ``deliver``      a due delivery              the peer's answer                    ledger: delivered
====  ===============  ==========================  ===================================  =======================
"""
