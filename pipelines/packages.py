"""Load packages of dlt's that were not loaded whole, and what becomes of them."""

import os

import dlt
from dlt.common.storages.load_package import PackageStorage, ParsedLoadJobFileName


def put_away(pipeline: dlt.Pipeline, load_id: str) -> bool:
    """Put a package away that is in the warehouse whole, as dlt was about to when it was killed; whether it was one."""
    storage = pipeline._get_load_storage()
    if not storage.normalized_packages.is_package_completed(load_id):
        return False
    storage.storage.rename_tree(storage.get_normalized_package_path(load_id), storage.get_loaded_package_path(load_id))
    storage.maybe_remove_completed_jobs(load_id)
    return True


def begin_again(pipeline: dlt.Pipeline, load_id: str) -> None:
    """Have a package be loaded from its beginning.

    dlt would go on where it was, and does not know of rows that were written and not noted: they would come twice.
    What was merged already is merged once more, which changes nothing.
    """
    packages = pipeline._get_load_storage().normalized_packages
    update = os.path.join(packages.get_package_path(load_id), PackageStorage.SCHEMA_UPDATES_FILE_NAME)  # noqa: PTH118
    if not packages.storage.has_file(update):
        # whoever has tables to update empties those that merges are prepared in
        packages.storage.save(update, "{}")
    for name in packages.list_pending_transitions(load_id):
        packages.clear_pending_transition(load_id, name)
    new = PackageStorage.NEW_JOBS_FOLDER
    for folder in (PackageStorage.COMPLETED_JOBS_FOLDER, PackageStorage.STARTED_JOBS_FOLDER, new):
        for path in packages.storage.list_folder_files(packages.get_job_state_folder_path(load_id, folder)):
            job = ParsedLoadJobFileName.parse(path)
            if job.file_format in ("sql", "reference"):
                # a merge, which follows from the rows
                packages.storage.delete(path)
            elif folder != new:
                packages._move_job(load_id, folder, new, job.file_name())
