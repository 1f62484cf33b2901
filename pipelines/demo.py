"""The whole house in one command: simulated vendors, a sync, and what the data says. No key, no network."""

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox
from sources.clock import Clock

from .sync import Summary, Watch, sync
from .warehouse import Warehouse

DATABASE = "leadhouse_demo.duckdb"

# a question, and the SQL that answers it with one sentence
FINDINGS = (
    (
        "Which campaign brings the most visits?",
        """
        SELECT format('{} brought {} visits of {} companies, {}% of all visits that carry a campaign.',
                      campaign, count(*), count(DISTINCT lead_id),
                      round(100.0 * count(*) / sum(count(*)) OVER (), 0)::INT)
        FROM leadfeeder_legacy.visits WHERE campaign IS NOT NULL
        GROUP BY campaign ORDER BY count(*) DESC LIMIT 1
        """,
    ),
    (
        "Who keeps coming back to the prices?",
        """
        SELECT format('{} looked at /pricing/ on {} days, last on {}.',
                      any_value(l.name), count(DISTINCT p.visit_date), max(p.visit_date))
        FROM leadfeeder_legacy.visit_pages p
        JOIN leadfeeder_legacy.visits v ON v.account_id = p.account_id AND v.id = p.visit_id
        JOIN leadfeeder_legacy.leads l ON l.account_id = v.account_id AND l.id = v.lead_id
        WHERE p.page_path LIKE '/pricing%'
        GROUP BY l.account_id, l.id ORDER BY count(DISTINCT p.visit_date) DESC, count(*) DESC LIMIT 1
        """,
    ),
    (
        "Was there a day unlike the others?",
        """
        WITH days AS (
            SELECT a.name, v.visit_date, count(*) AS visits,
                   median(count(*)) OVER (PARTITION BY a.name) AS usual
            FROM leadfeeder_legacy.visits v JOIN leadfeeder_legacy.accounts a ON a.id = v.account_id
            GROUP BY a.name, v.visit_date
        )
        SELECT format('{} had {} visits on {}, against {} on a usual day.', name, visits, visit_date, usual::INT)
        FROM days ORDER BY visits / usual DESC LIMIT 1
        """,
    ),
)


@dataclass(frozen=True)
class Shown:
    """What the demo ends with: rows per table, and sentences that the data answers questions with."""

    summary: Summary
    database: Path
    tables: list[tuple[str, int]]
    findings: list[tuple[str, str]]


def demo(clock: Clock, watch: Watch | None = None) -> Shown:
    """Sync all simulated vendors into `leadhouse_demo.duckdb` in the working directory, and look at the result."""
    database = Path(DATABASE).absolute()
    with Sandbox(limits=False) as sandbox:
        os.environ |= sandbox.settings()
        os.environ["SOURCES__LEADFEEDER__REQUESTS_PER_SECOND"] = "100000"
        os.environ["SOURCES__LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE"] = "100000"
        os.environ["SOURCES__LEADFEEDER_LEGACY__EXPORT_REQUESTS_PER_MINUTE"] = "100000"
        os.environ["DESTINATION__DUCKDB__CREDENTIALS"] = str(database)
        warehouse = Warehouse("duckdb", clock=clock)
        summary = sync(warehouse, clock=clock, watch=watch)
    tables = warehouse.query(
        "SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables() "
        "WHERE NOT starts_with(table_name, '_dlt') AND NOT ends_with(schema_name, '_staging') ORDER BY 1"
    )
    findings = [(question, warehouse.query(sql)) for question, sql in FINDINGS]
    return Shown(
        summary=summary,
        database=database,
        tables=[(name, rows) for name, rows in tables],
        findings=[(question, answer[0][0]) for question, answer in findings if answer],
    )
