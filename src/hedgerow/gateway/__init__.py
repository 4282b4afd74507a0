"""Managed authentication: one key in front of any number of PostHog accounts (contract: gateway).

A caller sends `{METHOD} /posthog/{native path}` with one gateway key; the gateway finds the connection that is meant, puts
that account's credential in, and passes request and answer through, byte for byte. It stands before the REST application
as an ASGI layer, and imports `core` alone, so that it can also run alone.

What other rooms and the control plane lean on:

    models       GatewayKey, ConnectionRow (table gateway_connections), ConnectSession, UpstreamClient, AuditEntry, Usage,
                 BudgetCount, IdempotentCall
    connections  Status ("PENDING" | "ACTIVE" | "FAILED"), Method, Connection (what the data plane knows of a row),
                 Connections.of_user(user_id), .choose(…), .forget() after every write to a connection
    credentials  Protocol Credentials: for_connection(connection) -> Credential, after_refusal(connection, refused) ->
                 Credential | None; seal_credential(row, vault, secrets)
    vault        Vault.open(settings), .seal(owner, version, plain) -> Sealed, .unseal(…), .rewrap(…)
    audit        audit(session, actor, action, clock=…, subject=…, details=…), Actor
    apps         App, HostChoice, OAuthEndpoints; Apps.load(settings), .get(name), .allows_origin(app, origin)
    keys         GatewayKeys: find(secret), create, rotate, revoke, forget; KeyGrant is what a secret gives
    policy       Policy (the JSON of a key or a connection), Policy.parse(raw), PRESETS
    addresses    Resolver: a host name to one checked address; AddressRefused
    proxy        GatewayApp, the ASGI layer: what happens to one call, in order, over the modules below
                 headers · admission (keys, rates, guard, paths, verdict) · bodies · cache (cache_rules) · budgets · idempotency · dry_run ·
                 sending (local, or orders and forward) · answering (links, redirects) · refusing · trace
    upstream     UpstreamClient: pooled HTTP/1.1 to a checked address; channel: one connection, UpstreamError and its kinds
    protocol     StrictProtocol: the server's side of HTTP/1.1, for uvicorn
    usage        usage_of, audit_of: what `/usage` and `/audit` show
    local        Protocol LocalUpstream: this very server as an upstream
    accounting   Protocol EventSink, GatewayCall, Accounting (bounded, beside the request)
    room         Gateway.open(metadata, settings, clock, sink=…), .layer(inner, local), .close(): all of it put together
    first        FirstGateway, local_connection: what `hedgerow init` makes
    answers      GatewayError: the gateway's own refusals and their envelope (§1.12, §2.9)

The control plane (`control.Control`, at `Gateway.control`; `routes.routes` is what `server` registers):

    control_routes, key_routes          JSON: /connections, /apps, /keys · asking (who asks) · shown (how it looks) · repeats
    connect_pages, settings_pages       what a person opens · sign_out · pages, templates/, static/
    lifecycle    from PENDING to ACTIVE or FAILED, and the end; every step one transaction with its audit
    sessions     connect links · guesses: links that are none
    connector    pasted keys, tests, deletion · accounts: whose credential this is · revocation: a job that outlives the row
    walks        a person's way through an account's consent page · discovery, own_client, oauth_client, scopes, places
    tokens       the Credentials of every call · refresh: one refresh, whoever asks · ageing: when · rewrap: a new master key
    enquiry      the gateway's own small questions to an account's server
"""

from hedgerow.gateway.accounting import EventSink, GatewayCall
from hedgerow.gateway.events_url import event_of
from hedgerow.gateway.first import FirstGateway
from hedgerow.gateway.local import LocalUpstream
from hedgerow.gateway.room import Gateway

__all__ = ["EventSink", "FirstGateway", "Gateway", "GatewayCall", "LocalUpstream", "event_of"]
