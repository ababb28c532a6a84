"""The resources below ``/api/v1``, one module each: ``router(desk)`` makes its operations."""
