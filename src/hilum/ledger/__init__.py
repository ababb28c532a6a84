"""The ledger: what was promised, to whom, and how far it has come. Steps meet here and nowhere else.

``database`` opens transactions; ``transition`` applies the tables of ``hilum.states`` inside one; ``reception``,
``grouping``, ``planning``, ``work`` and ``dispatch`` are the queries of the steps, in the order of the flow; ``views``
reads for people.
All functions take the connection of a transaction that the caller holds.
"""
