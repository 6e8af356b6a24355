"""One module per command of ``sorter``; each has ``register(app)`` and stays thin."""
