"""The API and the dashboard: reads the ledger, and asks for things by writing rows that the steps claim.

``server`` runs it in a thread of the gateway. ``app`` puts it together; ``access`` decides who may ask, ``problem``
tells what went wrong, ``shape`` what an answer looks like. ``api`` has the resources below ``/api/v1``, ``health`` what
watchdogs ask. What all of them stand on is ``desk``: the gateway as the web sees it.
"""
