"""Step 2: one peer's association over a blocking socket, as acceptor and as requestor.

Inwards, one thread per connection: ``server`` listens, ``capacity`` counts, ``acceptor`` shakes hands and sees to the
end, ``admission`` decides who may come, ``provider`` answers requests, ``sink`` is where instances go and ``observer``
who hears of it. Outwards: ``requestor``, with ``outflow`` for its data sets. Both stand on ``transport``, the one place
where a socket meets the wire core.
"""
