"""What Leadsie has: its tables, column by column.

Source: Leadsie API, https://help.leadsie.com/article/126-leadsie-api; the newer fields, which other answers may have
instead, are those of https://help.leadsie.com/article/128-whats-the-difference-between-webhook-v1-and-v2.
"""

from ..columns import Column
from ..tables import HISTORY, Table
from .connections import ASSETS, CONNECTION_ID, LAST_ASSET_TIME

CONNECTIONS = Table(
    "connections",
    columns=(
        Column("connection_id", "id", CONNECTION_ID, about="Digest of user, request_url and access_level."),
        Column("user_id", "id", "user", about="Who granted it: the same person in several connections."),
        Column("custom_user_id", "id", "customUserId", about="The last one that the person came with.", pii=True),
        Column("request_url", at="requestUrl", about="The request's address."),
        Column("request_name", at="requestName", about="The request's name, or an id tied to it."),
        Column("access_level", at="accessLevel", about="view or admin."),
        Column("status", at="status", about="SUCCESS, PARTIAL_SUCCESS, FAILED, or what the vendor adds."),
        Column("last_asset_time", "timestamp", LAST_ASSET_TIME, about="The newest time of its assets."),
        Column("client_id", "id", "clientId", about="The client, where /api/clients is asked."),
        Column("client_name", at="clientName", about="Newer answers: the client's name."),
        Column("client_summary_url", at="clientSummaryUrl", about="Newer answers: the client's page in the app."),
        Column("api_version", at="apiVersion", about="Newer answers: their version."),
    ),
    key=("connection_id",),
    whole=True,
    open="",
    elsewhere=frozenset({ASSETS}),
    about="One person's answer to one request, as it is now; one that is gone disappears.",
)

CONNECTION_ASSETS = Table(
    "connection_assets",
    columns=(
        Column("connection_id", "id", CONNECTION_ID, parent=True, about="→ connections.connection_id"),
        Column("type", at="type", about="E.g. Ad Account, Page, Pixel: a set that grows."),
        Column("id", "id", "id", about="The asset on its platform; its name, or none, where it has no id."),
        Column("name", at="name", about="Its name."),
        Column("is_success", "bool", "isSuccess", about="Older answers: whether access was granted."),
        Column("message", at="message", about="Older answers: what the platform said."),
        Column("time", "timestamp", "time", about="When it came to be as it is."),
        Column("connection_status", at="connectionStatus", about="Newer answers: e.g. Connected, Not Connected."),
        Column("notes", at="notes", about="Newer answers: what the trouble is."),
        Column("access_level", at="accessLevel", about="Newer answers: e.g. Manage, ViewOnly."),
        Column("platform", at="platform", about="Newer answers: e.g. Meta, Google."),
        Column(
            "was_initial_grant_successful",
            "bool",
            "wasInitialGrantSuccessful",
            about="Newer answers: whether access was granted at first.",
        ),
        Column(
            "status_last_checked_at",
            "timestamp",
            "statusLastCheckedAt",
            about="Newer answers: when the vendor last looked.",
        ),
        Column("link_to_asset", at="linkToAsset", about="Newer answers: its address on the platform."),
        Column("assigned_users", "json", "assignedUsers", about="Newer answers: people who got access.", pii=True),
        Column("connected_account", "json", "connectedAccount", about="Newer answers: whose account it is.", pii=True),
        Column("invite_sent_to", at="inviteSentTo", about="Older answers: email of who was invited.", pii=True),
        Column("was_invited_by_email", "bool", "wasInvitedByEmail", about="Newer answers."),
    ),
    key=("connection_id", "type", "id"),
    whole=True,
    each=ASSETS,
    open="",
    about="What a connection gives access to, as it is now.",
)

CONNECTION_STATUS_HISTORY = Table(
    "connection_status_history",
    columns=(
        Column("connection_id", "id", "connection_id", about="→ connections.connection_id, also of one that is gone."),
        Column("asset_type", at="asset_type", about="The asset's type; null for the connection itself."),
        Column("asset_id", "id", "asset_id", about="The asset's id; null for the connection itself."),
        Column("user_id", "id", "user_id", about="Who granted it."),
        Column("request_url", at="request_url", about="The request's address."),
        Column("access_level", at="access_level", about="The connection's: view or admin."),
        Column("custom_user_id", "id", "custom_user_id", about="The connection's, not an asset's.", pii=True),
        Column("name", at="name", about="The asset's name, or the request's."),
        Column("status", at="status", about="status of a connection, connection_status of an asset."),
        Column("is_success", "bool", "is_success", about="Whether all is granted, in either vocabulary."),
        Column("message", at="message", about="message or notes of an asset."),
        Column("time", "timestamp", "time", about="An asset's own time."),
        *HISTORY,
    ),
    key=("version",),
    whole=True,
    history=True,
    about="One row per state that a connection or an asset was seen in.",
)
