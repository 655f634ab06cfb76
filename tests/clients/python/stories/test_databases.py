"""Someone sets up databases: creates, lists, measures, disables, enables and deletes them."""

from ravendb import (
    CreateDatabaseOperation,
    DeleteDatabaseOperation,
    GetCollectionStatisticsOperation,
    GetDatabaseNamesOperation,
    GetDatabaseRecordOperation,
    GetStatisticsOperation,
)
from ravendb.documents.operations.configuration.operations import (
    GetClientConfigurationOperation,
    GetServerWideClientConfigurationOperation,
)
from ravendb.documents.operations.identities import NextIdentityForOperation
from ravendb.documents.operations.server_misc import ToggleDatabasesStateOperation
from ravendb.documents.operations.statistics import (
    GetDetailedCollectionStatisticsOperation,
    GetDetailedStatisticsOperation,
)
from ravendb.exceptions.raven_exceptions import ConcurrencyException
from ravendb.serverwide.database_record import DatabaseRecord
from ravendb.serverwide.operations.common import GetBuildNumberOperation

from harness import Story, open_store, send


class Thing:
    def __init__(self, name=None):
        self.name = name


class Databases(Story):
    def names(self):
        return self.store.maintenance.server.send(GetDatabaseNamesOperation(0, 100))

    def test_created_database_is_known(self):
        self.assertIn("Story", self.names())
        record = self.store.maintenance.server.send(GetDatabaseRecordOperation("Story"))
        self.assertEqual("Story", record.database_name)
        self.assertEqual(["A"], record.topology["Members"])
        build = self.store.maintenance.server.send(GetBuildNumberOperation())
        self.assertTrue(build.full_version.startswith("7.2"))

    def test_creating_twice_is_refused(self):
        with self.assertRaisesRegex(ConcurrencyException, "Story.*exists"):
            self.store.maintenance.server.send(CreateDatabaseOperation(DatabaseRecord("Story")))

    def test_missing_database_is_named(self):
        store = open_store(self.server.url, "Nowhere")
        self.addCleanup(store.close)
        with self.assertRaisesRegex(Exception, "Nowhere"):
            with store.open_session() as session:
                session.load("users/1", dict)

    def test_deleted_database_is_gone_and_starts_empty_when_created_again(self):
        store = self.create_store("Doomed")
        with store.open_session() as session:
            session.store(Thing("doomed"), "things/1")
            session.save_changes()
        store.maintenance.server.send(DeleteDatabaseOperation("Doomed", hard_delete=True))
        self.assertNotIn("Doomed", self.names())
        self.assertEqual(500, send(self.server.url, "GET", "/databases/Doomed/docs?id=things%2F1").status)

        store.maintenance.server.send(CreateDatabaseOperation(DatabaseRecord("Doomed")))
        with store.open_session() as session:
            self.assertIsNone(session.load("things/1", Thing))

    def test_disabled_database_refuses_work_until_enabled(self):
        store = self.create_store("Sleeper")
        with store.open_session() as session:
            session.store(Thing("asleep"), "things/1")
            session.save_changes()
        result = store.maintenance.server.send(ToggleDatabasesStateOperation("Sleeper", True))
        self.assertTrue(result.disabled)
        with self.assertRaisesRegex(Exception, "(?i)disabled"):
            with store.open_session() as session:
                session.load("things/1", Thing)
        result = store.maintenance.server.send(ToggleDatabasesStateOperation("Sleeper", False))
        self.assertFalse(result.disabled)
        with store.open_session() as session:
            self.assertEqual("asleep", session.load("things/1", Thing).name)

    def test_clients_are_told_nothing_to_do_otherwise(self):
        store = self.create_store("Unconfigured")
        self.assertIsNone(store.maintenance.send(GetClientConfigurationOperation()).configuration)
        of_server = store.maintenance.server.send(GetServerWideClientConfigurationOperation())
        self.assertTrue(of_server.disabled)
        self.assertIsNone(of_server.max_number_of_requests_per_session)

    def test_statistics_count_what_is_there(self):
        store = self.create_store("Counted")
        with store.open_session() as session:
            for n in range(4):
                session.store(Thing(n), f"things/{n}")
            session.save_changes()
        with store.open_session() as session:
            session.delete("things/0")
            session.save_changes()
        statistics = store.maintenance.send(GetStatisticsOperation())
        self.assertEqual(3, statistics.count_of_documents)
        self.assertEqual(1, statistics.count_of_tombstones)
        collections = store.maintenance.send(GetCollectionStatisticsOperation())
        self.assertEqual(3, collections.count_of_documents)
        self.assertEqual({"Things": 3}, collections.collections)
        store.maintenance.send(NextIdentityForOperation("things|"))
        detailed = store.maintenance.send(GetDetailedStatisticsOperation())
        self.assertEqual(3, detailed.count_of_documents)
        self.assertEqual(1, detailed.count_of_identities)
        self.assertEqual(0, detailed.count_of_compare_exchange)
        things = store.maintenance.send(GetDetailedCollectionStatisticsOperation()).collections["Things"]
        self.assertEqual(("Things", 3), (things.name, things.count_of_documents))
        self.assertGreater(things.size.size_in_bytes, 0)
