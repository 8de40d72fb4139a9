-- Names and types of the columns of the table named by the bound value.
SELECT name, type, "notnull" FROM pragma_table_info($1)
