"""DuckDB's merges: they read the files of a load where these lie.

dlt would copy every row into a staging table first, which costs more than half of a load (decision 14).
"""

from collections.abc import Sequence
from typing import Any

from dlt.common.destination.client import FollowupJobRequest, HasFollowupJobs, LoadJob, RunnableLoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.storages.load_package import LoadJobInfo
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

MERGE, FILE = "merge", "parquet"


class Duckdb(duckdb):
    """dlt's destination, whose merges stage nothing."""

    @property
    def destination_type(self) -> str:
        """What a pipeline's state says: anybody's dlt can go on with it."""
        return "dlt.destinations.duckdb"

    @property
    def client_class(self) -> type[DuckDbClient]:
        """What loads into it."""
        return _Client


class _Client(DuckDbClient):
    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        return not self._is_merged(self.prepare_load_table(table_name)) and super().should_load_data_to_staging_dataset(
            table_name
        )

    def create_load_job(
        self, table: PreparedTableSchema, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        if self._is_merged(table) and file_path.endswith(f".{FILE}"):
            return Left(file_path)
        return super().create_load_job(table, file_path, load_id, restore)

    def create_table_chain_completed_followup_jobs(
        self,
        table_chain: Sequence[PreparedTableSchema],
        completed_table_chain_jobs: Sequence[LoadJobInfo] | None = None,
    ) -> list[FollowupJobRequest]:
        if not self._is_merged(table_chain[0]):
            return super().create_table_chain_completed_followup_jobs(table_chain, completed_table_chain_jobs)
        files = [job.file_path for job in completed_table_chain_jobs or () if job.job_file_info.file_format == FILE]
        client: Any = _Names(self.sql_client, files)
        return [SqlMergeFollowupJob.from_table_chain(table_chain, client)]

    @staticmethod
    def _is_merged(table: PreparedTableSchema) -> bool:
        return table["write_disposition"] == MERGE


class Left(RunnableLoadJob, HasFollowupJobs):
    """A file that is left where it is: the merge that follows reads it."""

    def run(self) -> None:
        """Nothing is to be done."""


class _Names:
    """An SQL client to which a table's staging table is what some files hold."""

    def __init__(self, client: Any, files: Sequence[str]) -> None:
        self._client = client
        literal = client.capabilities.escape_literal
        self._files = f"read_parquet([{', '.join(map(literal, files))}], union_by_name=true)"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_qualified_table_names(self, table_name: str, **how: bool) -> tuple[str, str]:
        return self._client.make_qualified_table_name(table_name, **how), self._files
