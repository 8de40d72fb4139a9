"""Reads evidence as it is: walks the folder, tells text from binary, finds headers, recognises formats and brings
records into the engine.

    folder     which files there are, and their hashes
    text       encoding, and text or not
    delimited  header and tolerant records of CSV-like files
    documents  records of JSON documents
    formats    the format definitions of the rule pack, and which one a file has
    staging    one file into the engine, on the fast path or the tolerant one

What a row means is never decided here, and SQL is written by `adapters.sql.intake`."""
