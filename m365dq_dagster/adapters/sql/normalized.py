"""Builds what is asked of the normalized statuses, of the view and of its materialized copy in the same words."""

from __future__ import annotations

from collections.abc import Mapping

from m365dq_dagster.adapters.sql import quote_identifier

VIEW, TABLE = "v_normalized_status", "normalized_status_materialized"

QUERIES: Mapping[str, str] = {
    "by status": "SELECT normalized_status, count(*) AS k FROM {} GROUP BY normalized_status ORDER BY k DESC",
    "by day": (
        "SELECT CAST(timestamp AS DATE) AS day, normalized_status, count(*) AS k FROM {}"
        " GROUP BY CAST(timestamp AS DATE), normalized_status ORDER BY day, normalized_status"
    ),
    "by user": (
        "SELECT user_id, count(*) AS k, count(*) FILTER (WHERE normalized_status = 'SUCCESS') AS successes FROM {}"
        " GROUP BY user_id ORDER BY successes DESC, user_id LIMIT 100"
    ),
    "foreign share": (
        "SELECT sum(k) FILTER (WHERE place > 1) / sum(k) AS foreign_share FROM ("
        "SELECT count(*) AS k, row_number() OVER (ORDER BY count(*) DESC, location_country) AS place FROM {}"
        " WHERE normalized_status = 'SUCCESS' GROUP BY location_country) AS ranked"
    ),
    "failures of an hour": (
        "SELECT count(*) AS k FROM {} WHERE normalized_status = 'FAILURE'"
        " AND timestamp >= (SELECT min(first_time) FROM flows) + INTERVAL 24 HOUR"
        " AND timestamp < (SELECT min(first_time) FROM flows) + INTERVAL 25 HOUR"
    ),
}
"""Typical questions: counts by status, by day and by user, the share of successes outside the commonest country, and
the failures of one hour, which is what an index would serve.
"""

USED_BLOCKS = "SELECT used_blocks, block_size FROM pragma_database_size() WHERE database_name = current_database()"
"""How many blocks of the database's file hold data, and how large one is."""


def ask(question: str, relation: str) -> str:
    """One of the questions, asked of the view or of its copy."""
    return QUERIES[question].replace("{}", quote_identifier(relation))
