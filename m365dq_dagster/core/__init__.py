"""Pure judgement: what evidence means. No files, clock, frames, SQL or orchestrator live here; adapters measure and
keep.
"""
