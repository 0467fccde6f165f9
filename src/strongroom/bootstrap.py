"""The composition root: the only module that builds the parts and joins them.

Four processes are composed here (preparation, front worker, job runner, and the supervisor that forks
them); the boundary and the audit writer are programs of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit.checkpoints import CHECKPOINT_FILE, KEY_FILE
from strongroom.audit.client import AuditClient
from strongroom.audit.interface import AuditUnavailable
from strongroom.authorization.authorizer import Authorizer
from strongroom.aws.generated.enums import CustomKeyStoreType
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.backup.swap import require_no_half_restore
from strongroom.boundary.client import BoundaryClient
from strongroom.clock import Clock, HostClock, MovableClock
from strongroom.config import Settings, is_loopback
from strongroom.confinement.confined import confine_server, render_report
from strongroom.external_key_store.backend import ExternalKeyStores
from strongroom.external_key_store.https_client import HttpsClient
from strongroom.federation.key_sets import KeySets
from strongroom.hsm.backend import HsmKeyStores
from strongroom.hsm.client import ClusterClients
from strongroom.identity.authenticate import OpenAuthenticator, StrictAuthenticator
from strongroom.identity.callers import Callers
from strongroom.identity.principal import PrincipalType
from strongroom.jobs.development import CLOCK_SETTING, DevelopmentControls
from strongroom.jobs.restored_data import finish_restore, wait_for_restore
from strongroom.jobs.runner import JobRunner
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import LEDGER_FILE, DeletionLedger, keep_deletions
from strongroom.operations.domain_key_anchor import DomainKeyAnchor
from strongroom.operations.key_store_backend import KeyStoreBackend
from strongroom.operations.request_quotas import request_quotas_of
from strongroom.operations.rules import Rules
from strongroom.operations.table import ALL_OPERATIONS, NOT_BUILT
from strongroom.pipeline import Authenticator, Pipeline
from strongroom.preparation import (
    DATABASE_FILE,
    ROOT_ACCESS_KEY_SETTING,
    require_newest_domain_keys,
    require_same_module,
    require_seal_record,
    run_finish,
    run_prepare,
)
from strongroom.processes.channel import ControlChannel
from strongroom.processes.contexts import (
    CLOCK_WORD,
    Children,
    JobsContext,
    ProxyContext,
    WorkerContext,
)
from strongroom.processes.data_directory import ANCHOR_FILE, AUDIT_DIRECTORY, SEAL_RECORD_FILE
from strongroom.processes.errors import ServerFailed
from strongroom.processes.server import run_server as run_processes
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import AccessKeyId, Region
from strongroom.serving import (
    limits_of,
    limits_to,
    on_stop_signals,
    refuse_while_sealed,
    run_in_loop,
    tls_files_of,
)
from strongroom.store.iam_interface import AccessKey
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps
from strongroom.trust_files import (
    load_attestation_roots,
    load_cluster_places,
    proxy_client_tls_when_needed,
    renewals_of,
    renewed_server_files,
)
from strongroom.wire.tls import TlsFiles

if TYPE_CHECKING:
    from strongroom.wire.http_front import HttpFront

CHANNEL_SECONDS_MAX = 10.0


def run_server(settings: Settings, root_secret_fd: int | None) -> None:
    """Run a whole server until it is told to stop."""
    if settings.data_directory is not None:
        require_no_half_restore(settings.data_directory)
        require_seal_record(settings.data_directory)
        require_newest_domain_keys(settings.data_directory)
        require_same_module(settings, settings.data_directory)
    children = Children(
        preload=partial(_preload, settings),
        run_prepare=run_prepare,
        run_worker=_run_worker,
        run_jobs=_run_jobs,
        run_sealed=lambda context: run_in_loop(refuse_while_sealed(context)),
        run_proxy=_run_proxy,
        run_finish=run_finish,
        kept_files=(ANCHOR_FILE, CHECKPOINT_FILE, KEY_FILE),
    )
    run_processes(settings, children, root_secret_fd=root_secret_fd)


def _preload(settings: Settings) -> None:
    """This module's imports are what all children need, and were the work; here is what some servers need."""
    if settings.attestation_roots:
        import_module("strongroom.attestation.proof")
    if settings.oidc_issuers:
        import_module("jwt")


def _run_worker(context: WorkerContext) -> None:
    run_in_loop(_serve_requests(context))


def _run_jobs(context: JobsContext) -> None:
    with contextlib.suppress(OSError):  # it waits for its turn, and pushes no worker from a processor
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    run_in_loop(_run_job_runner(context))


def _run_proxy(context: ProxyContext) -> None:
    run_in_loop(_serve_proxy(context))


class House:
    """The rooms of one process, joined. Concurrency: built and used in one event loop."""

    def __init__(self, settings: Settings, shared_words: memoryview, control: socket.socket) -> None:
        """`control`: to the supervisor."""
        assert settings.data_directory is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        self.control = ControlChannel(control, self.on_channel)
        self._threads = ThreadPoolExecutor()
        loop.set_default_executor(self._threads)
        self.report = b""
        self.settings = settings
        self.movable_clock = (
            MovableClock(shared_words[CLOCK_WORD : CLOCK_WORD + 1]) if settings.mode == "dev" else None
        )
        clock: Clock = self.movable_clock or HostClock()
        self.store = open_store(settings.data_directory / DATABASE_FILE, Stamps(shared_words), clock)
        self.boundary = BoundaryClient(loop, self.store)
        self.audit = AuditClient(loop, durable=settings.audit == "durable")
        self.request_ids = RequestIds()
        rules = Rules(
            rotate_new_keys=settings.rotate_new_keys,
            domain_key_rotation_hours=settings.domain_key_rotation_hours,
            backup_retention_days=settings.backup_retention_days,
            keys_max=settings.keys_max,
            regions=None if settings.regions is None else frozenset(settings.regions),
            require_policy_principals=settings.auth == "strict",
            foreign_principals=settings.xks_proxy is not None,
            operator_account_id=settings.account_id,
        )
        self._https_client = HttpsClient(
            proxy_client_tls_when_needed(settings),
            timeout_seconds=settings.xks_timeout_milliseconds / 1000,
            private_addresses=settings.xks_private_addresses,
        )
        self.external_key_stores = ExternalKeyStores(
            self.boundary, HostClock(), self._https_client, settings.xks_port
        )
        self.clusters = ClusterClients(loop, settings.cloudhsm_clusters)
        key_stores: dict[CustomKeyStoreType, KeyStoreBackend] = {
            CustomKeyStoreType.EXTERNAL_KEY_STORE: self.external_key_stores
        }
        self.hsm_key_stores: HsmKeyStores | None = None
        if settings.cloudhsm_clusters:
            places = load_cluster_places(settings)
            self.hsm_key_stores = HsmKeyStores(self.boundary, self.clusters, places)
            key_stores[CustomKeyStoreType.AWS_CLOUDHSM] = self.hsm_key_stores
        self.rooms = Rooms(
            self.store,
            self.boundary,
            Authorizer(self.store),
            clock,
            rules,
            load_attestation_roots(settings),
            key_stores=key_stores,
            oidc_keys=KeySets(dict(settings.oidc_issuers), self.control.open_file),
            deletion_ledger=DeletionLedger(
                settings.deletion_ledger_file or settings.data_directory / LEDGER_FILE,
                self.store,
                self.boundary,
            ),
            domain_key_anchor=DomainKeyAnchor(
                settings.data_directory / ANCHOR_FILE, self.boundary, self.control
            ),
        )
        self.jobs = JobRunner(self.rooms, self.audit, self.request_ids)
        self._attached: set[str] = set()
        self._all_attached = asyncio.Event()

    def on_channel(self, name: str, stream: socket.socket) -> None:
        """A channel to the boundary or the audit writer came from the supervisor."""
        if name == "boundary":
            self.boundary.attach(stream)
        elif name == "audit":
            self.audit.attach(stream)
        else:
            if not self.clusters.attach(name, stream):
                stream.close()
            return
        self._attached.add(name)
        if len(self._attached) == 2:
            self._all_attached.set()

    async def open(self, *, finishes_restore: bool = False) -> None:
        """Wait for both channels and for restored data, and take the clock that was kept with the data.

        Raises LedgerUnavailable where the job runner `finishes_restore` and cannot.
        """
        await asyncio.wait_for(self._all_attached.wait(), CHANNEL_SECONDS_MAX)
        directory = self.settings.data_directory
        assert directory is not None and self.rooms.deletion_ledger is not None  # noqa: S101, PT018
        if finishes_restore:
            account_id = self.settings.account_id
            await finish_restore(self.rooms, self.audit, self.request_ids, directory, account_id)
            await self.rooms.deletion_ledger.require_in_step()
        else:
            await wait_for_restore(directory)
        if self.movable_clock is not None:
            kept = int(await self.store.find_setting(CLOCK_SETTING) or "0")
            self.movable_clock.set_offset(max(kept, self.movable_clock.offset_milliseconds))

    def confine(self, *, reads: tuple[Path, ...] = ()) -> None:
        """Give up all that serving does not need, but to read `reads` and what is beneath. Call when what is
        read at the start has been, and files are as they stay: after `open`. Threads that began are ended.

        Raises: ConfinementFailed, StoreUnavailable, LedgerUnavailable.
        """
        ledger = self.rooms.deletion_ledger
        assert ledger is not None  # noqa: S101
        self._threads.shutdown()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        files = (*self.store.settle(), ledger.make())
        self.report = render_report(confine_server(limits_to(files, reads, self.settings.xks_port)))

    async def renew_until(self, stopped: asyncio.Event, front: HttpFront | None = None) -> None:
        """Use certificates that are renewed, of the `front` and for external key stores."""
        renewals = renewals_of(self.settings, self._https_client, front, self.control.open_file)
        await asyncio.gather(*(renewal.watch_until(stopped) for renewal in renewals))

    def tell_ready(self) -> None:
        """Tell the supervisor that this process serves, and what it gave up."""
        self.control.send_ready(self.report)

    async def is_ready(self) -> bool:
        """Whether requests will be answered: store, boundary and audit trail all work."""
        await self.store.ping()
        return self.audit.is_accepting() and await self.boundary.is_ready()

    async def boundary_facts(self) -> Mapping[str, str]:
        """What the boundary says of itself."""
        return (await self.boundary.status()).facts

    async def close(self) -> None:
        """Write what is still to be recorded, and give everything back."""
        try:
            await self.audit.close()
        except AuditUnavailable as error:
            raise ServerFailed(f"Some audit records were not written: {error}.") from None
        finally:
            self.external_key_stores.close()
            self.clusters.close()
            self.boundary.close()
            self.store.close()


def _build_authenticator(house: House) -> Authenticator:
    settings = house.settings
    rooms = house.rooms
    if settings.auth == "open":
        return OpenAuthenticator(settings.account_id, Callers(house.store, house.boundary, rooms.clock))
    return StrictAuthenticator(
        house.store,
        house.boundary,
        HostClock(),
        settings.signature_skew_seconds,
        ("kms", "sts", "iam"),
        service_clock=rooms.clock,
        uses=rooms.access_key_uses,
    )


async def _put_root_access_key(house: House) -> None:
    """Make the root access key of the environment the one there is. Its secret is in the boundary only.

    The root access key that an earlier start was given, if another, stops working.
    """
    settings = house.settings
    access_key_id = settings.root_access_key_id
    if settings.auth != "strict" or access_key_id is None:
        return
    previous = await house.store.find_setting(ROOT_ACCESS_KEY_SETTING)
    if previous is not None and previous != access_key_id:
        replaced = await house.store.find_access_key(AccessKeyId(previous))
        if replaced is not None:
            await house.store.put_access_key(replace(replaced, active=False))
            await keep_deletions(house.rooms.deletion_ledger)
    token = await house.boundary.wrap_root_secret(access_key_id, settings.account_id)
    await house.store.put_access_key(
        AccessKey(
            access_key_id=access_key_id,
            account_id=settings.account_id,
            principal_arn=f"arn:aws:iam::{settings.account_id}:root",
            principal_id=settings.account_id,
            principal_type=PrincipalType.ROOT,
            secret_token=token,
            active=True,
            created_at=house.rooms.clock.now(),
        )
    )
    await house.store.put_setting(ROOT_ACCESS_KEY_SETTING, access_key_id)


def _build_front(house: House, on_ready: Callable[[], None]) -> HttpFront:
    # Late: 5 MB that only workers need, and every child would share with the supervisor.
    from strongroom.wire.app import build_app
    from strongroom.wire.aws_json import AwsJson11
    from strongroom.wire.aws_query import AwsQuery
    from strongroom.wire.dispatch import Dispatcher
    from strongroom.wire.http_front import HttpFront

    settings = house.settings
    pipeline = Pipeline(
        authenticator=_build_authenticator(house),
        rooms=house.rooms,
        audit=house.audit,
        request_ids=house.request_ids,
        operations=ALL_OPERATIONS,
        not_built=[("kms", name) for name in NOT_BUILT],
        regions=None if settings.regions is None else frozenset(map(Region, settings.regions)),
        request_quotas=request_quotas_of(settings.request_quotas, settings.workers),
    )
    dispatcher = Dispatcher(
        pipeline,
        AwsJson11(),
        {name: AwsQuery(name) for name in QUERY_SERVICES},
        house.request_ids,
        takes_anyone=settings.auth == "open",
    )
    controls = None
    # Nobody signs a call to the controls: where signatures are asked for, only this host may make one.
    if house.movable_clock is not None and (settings.auth == "open" or is_loopback(settings.host)):
        controls = DevelopmentControls(house.movable_clock, house.store, house.jobs)
    app = build_app(
        is_ready=house.is_ready, other=dispatcher.refuse, presigned=dispatcher.answer_url, controls=controls
    )
    tls, limits = tls_files_of(settings), limits_of(settings)
    return HttpFront(dispatcher, app, limits, tls=tls, on_ready=on_ready)


async def _serve_requests(context: WorkerContext) -> None:
    house = House(context.settings, context.shared_words, context.control)
    house.control.start()
    await house.open()
    if context.index == 1:
        await _put_root_access_key(house)
    front = _build_front(house, house.tell_ready)
    house.confine()
    # What is built now lives as long as the process: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    on_stop_signals(front.stop)
    stopped = asyncio.Event()
    flushing = asyncio.gather(
        house.rooms.usage_notes.flush_until(house.store, stopped),
        house.rooms.access_key_uses.flush_until(house.store, stopped),
        house.renew_until(stopped, front),
    )
    await front.serve(sockets=[context.listening])
    stopped.set()
    await flushing
    await house.close()


async def _serve_proxy(context: ProxyContext) -> None:
    from strongroom.xks_proxy.authentication import Authenticator as ProxyAuthenticator
    from strongroom.xks_proxy.front import build_proxy_front
    from strongroom.xks_proxy.health import DeepHealth
    from strongroom.xks_proxy.quota import CredentialQuota
    from strongroom.xks_proxy.service import ProxyService

    proxy = context.settings.xks_proxy
    assert proxy is not None  # noqa: S101
    house = House(context.settings, context.shared_words, context.control)
    house.control.start()
    await house.open()
    rooms = house.rooms
    health = DeepHealth(rooms, house.audit, proxy.region)
    service = ProxyService(
        rooms,
        house.audit,
        house.request_ids,
        offers=proxy.keys,
        uri_path=proxy.uri_path,
        region=proxy.region,
        authenticator=ProxyAuthenticator(house.store, house.boundary, HostClock()),
        health=health,
        quota=CredentialQuota(proxy.requests_per_second),
    )
    front = build_proxy_front(
        service,
        health.is_ready,
        TlsFiles(*proxy.tls_files),
        client_names=proxy.client_names,
        connections_max=context.settings.connections_max,
        on_ready=house.tell_ready,
    )
    house.confine()
    on_stop_signals(front.stop)
    stopped = asyncio.Event()
    renewed = renewed_server_files(proxy.tls_files, front, house.control.open_file)
    flushing = asyncio.gather(
        rooms.usage_notes.flush_until(house.store, stopped), renewed.watch_until(stopped)
    )
    await front.serve(sockets=[context.listening])
    stopped.set()
    await flushing
    await house.close()


async def _run_job_runner(context: JobsContext) -> None:
    from strongroom.administration.desk import (
        Desk,
    )  # late, as what follows: no other process has it in memory
    from strongroom.administration.server_status import StatusSource
    from strongroom.jobs.audit_checkpoints import AuditCheckpoints
    from strongroom.jobs.cluster_logins import ClusterLogins
    from strongroom.jobs.key_store_health import KeyStoreHealth
    from strongroom.jobs.seal_watch import SealWatch

    house = House(context.settings, context.shared_words, context.control)
    house.control.start()
    await house.open(finishes_restore=True)
    stopped = asyncio.Event()
    on_stop_signals(stopped.set)
    assert context.settings.data_directory is not None  # noqa: S101
    source = StatusSource(house.settings.mode, house.boundary_facts, house.control.describe_processes)
    desk = await Desk(house.rooms, house.audit, house.request_ids, status_source=source).open(
        context.settings.data_directory
    )
    house.confine(reads=(context.settings.data_directory / AUDIT_DIRECTORY,))
    house.tell_ready()
    health = KeyStoreHealth(
        house.rooms,
        house.audit,
        house.request_ids,
        house.external_key_stores,
        context.settings.xks_health_check_seconds,
    )
    seal = SealWatch(
        house.rooms,
        house.audit,
        house.request_ids,
        house.boundary_facts,
        context.settings.data_directory / SEAL_RECORD_FILE,
        context.settings.account_id,
        house.control,
    )
    checkpoints = AuditCheckpoints(
        house.boundary,
        house.audit,
        house.rooms.clock,
        house.request_ids,
        context.settings.data_directory,
        context.settings.account_id,
        house.control,
    )
    watches = [
        house.jobs.run_until(stopped),
        health.run_until(stopped),
        seal.run_until(stopped),
        checkpoints.run_until(stopped),
        house.renew_until(stopped),
    ]
    if house.hsm_key_stores is not None:
        watches.append(ClusterLogins(house.rooms, house.hsm_key_stores).run_until(stopped))
    await asyncio.gather(*watches)
    desk.close()
    await desk.wait_closed()
    await house.close()
