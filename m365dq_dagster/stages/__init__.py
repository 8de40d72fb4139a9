"""One use case a file, shared by the orchestrator and the command line: measure (adapter), judge (core), keep
(adapter).
"""
