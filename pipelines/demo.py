"""The whole house in one command: simulated vendors, a sync, the models, and what they say. No key, no network."""

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox
from sources.clock import Clock

from .sync import Summary, Watch, sync
from .transform import Transformed, transform
from .warehouse import Warehouse

DATABASE = "leadhouse_demo.duckdb"

# a question, and the SQL that answers it with one sentence
FINDINGS = (
    (
        "Whom should sales call?",
        """
        SELECT format('{} visited on {} days, last on {}, saw {} pages, and is not in the CRM.',
                      name, days, last_visit_date, page_views)
        FROM marts.web_to_crm WHERE situation = 'not_in_crm'
        ORDER BY visits_last_7_days DESC, page_views DESC, company_id LIMIT 1
        """,
    ),
    (
        "Which lead of the CRM is back on the site?",
        """
        SELECT format('{} is {} in the CRM, and has been back on {} days, last on {}.',
                      name, crm_lead_status, days, last_visit_date)
        FROM marts.web_to_crm
        WHERE situation = 'in_crm_and_back' AND crm_lead_status IN ('new', 'contacted', 'qualified')
        ORDER BY days DESC, page_views DESC, company_id LIMIT 1
        """,
    ),
    (
        "Which campaign brings the most visits?",
        """
        SELECT format('{} brought {} visits, {}% of all visits that carry a campaign.',
                      campaign, sum(visits), round(100.0 * sum(visits) / sum(sum(visits)) OVER (), 0)::INT)
        FROM marts.traffic_sources WHERE campaign <> '(none)'
        GROUP BY campaign ORDER BY sum(visits) DESC LIMIT 1
        """,
    ),
    (
        "Was there a day unlike the others?",
        """
        WITH days AS (
            SELECT a.name, v.visit_date, count(*) AS visits,
                   median(count(*)) OVER (PARTITION BY a.name) AS usual
            FROM marts.visits v JOIN marts.accounts a ON a.account_id = v.account_id
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
    built: Transformed
    database: Path
    tables: list[tuple[str, int]]
    findings: list[tuple[str, str]]

    @property
    def exit_code(self) -> int:
        return self.summary.exit_code or self.built.exit_code


def settings(sandbox: Sandbox) -> dict[str, str]:
    """Environment variables that point a sync at the simulated vendors, without limits, and at the demo's database."""
    no_limits = (
        "LEADFEEDER__REQUESTS_PER_SECOND",
        "LEADFEEDER_LEGACY__REQUESTS_PER_MINUTE",
        "LEADFEEDER_LEGACY__EXPORT_REQUESTS_PER_MINUTE",
    )
    return {
        **sandbox.settings(),
        **{f"SOURCES__{name}": "100000" for name in no_limits},
        "DESTINATION__DUCKDB__CREDENTIALS": str(Path(DATABASE).absolute()),
    }


def demo(clock: Clock, watch: Watch | None = None) -> Shown:
    """Sync all simulated vendors into `leadhouse_demo.duckdb` in the working directory, build the models, and look."""
    with Sandbox(limits=False) as sandbox:
        os.environ |= settings(sandbox)
        warehouse = Warehouse("duckdb", clock=clock)
        summary = sync(warehouse, clock=clock, watch=watch)
    built = transform(warehouse)
    tables = warehouse.query(
        "SELECT schema_name || '.' || table_name, estimated_size FROM duckdb_tables() "
        "WHERE NOT starts_with(table_name, '_dlt') AND NOT ends_with(schema_name, '_staging') ORDER BY 1"
    )
    findings = [(question, warehouse.query(sql)) for question, sql in FINDINGS]
    return Shown(
        summary=summary,
        built=built,
        database=Path(DATABASE).absolute(),
        tables=[(name, rows) for name, rows in tables],
        findings=[(question, answer[0][0]) for question, answer in findings if answer],
    )
