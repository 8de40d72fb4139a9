"""Labelled evidence, made from a written story: who did what, and how each export shape would have recorded it.

Here belong the story (tenant, people, deeds), the small table that words each deed the way the vendor does, and the
writers of the export shapes. Nothing here judges: no code table, no policy and no rule of the product is read, so that
the label of a case never comes from the judge it is meant to test. Choosing files and options lives in
``stages.generate``.
"""
