"""What tests of a whole gateway share: a gateway on a folder of its own, peers, and data to send."""
