"""Configuration: frozen pydantic models of the YAML files, loading, checking, compiling.

``models`` says what a file may hold, ``load`` reads YAML and keeps line numbers, ``check`` finds
what pydantic cannot see, ``compile`` turns models into the index tables of :mod:`sorter.model`.
May import ``model`` and ``errors`` only.
"""
