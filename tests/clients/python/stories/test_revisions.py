"""What a document was: revisions that show who overwrote whom, what held at a date, and the way back."""

from ravendb import (
    AdoptOrphanedRevisionsOperation,
    ConfigureRevisionsBinCleanerOperation,
    ConfigureRevisionsOperation,
    DeleteRevisionsOperation,
    EnforceRevisionsConfigurationOperation,
    ForceRevisionStrategy,
    GetRevisionsOperation,
    RevertRevisionsByIdOperation,
    RevisionsBinConfiguration,
    RevisionsCollectionConfiguration,
    RevisionsConfiguration,
)
from ravendb.documents.commands.revisions import GetRevisionsBinEntryCommand

from harness import Story, moment, open_store, send, until


class Contract:
    def __init__(self, rent=None):
        self.rent = rent


def keep(store, default=None, collections=None):
    """Revisions for everything, as `default` says, and for `collections`."""
    default = default or RevisionsCollectionConfiguration()
    store.maintenance.send(ConfigureRevisionsOperation(RevisionsConfiguration(default, collections)))


class Revisions(Story):
    def setUp(self):
        self.database = f"Revisions-{self._testMethodName}"
        self.store = self.create_store(self.database)
        keep(self.store)

    def put_one(self, key, rent):
        with self.store.open_session() as session:
            contract = Contract(rent)
            session.store(contract, key)
            session.save_changes()
            return session.advanced.get_change_vector_for(contract)

    def remove(self, key):
        with self.store.open_session() as session:
            session.delete(key)
            session.save_changes()

    def rents(self, key):
        with self.store.open_session() as session:
            return [revision.rent for revision in session.advanced.revisions.get_for(key, Contract)]

    def load(self, key):
        with self.store.open_session() as session:
            return session.load(key, Contract)

    def flags(self, key):
        with self.store.open_session() as session:
            return [metadata["@flags"] for metadata in session.advanced.revisions.get_metadata_for(key)]

    def test_blind_writes_by_two_sessions_leave_two_revisions(self):
        with self.store.open_session() as one, self.store.open_session() as two:
            one.store(Contract(1), "blind/1")
            two.store(Contract(2), "blind/1")
            one.save_changes()
            two.save_changes()
        self.assertEqual(2, self.load("blind/1").rent)
        self.assertEqual([2, 1], self.rents("blind/1"))
        with self.store.open_session() as session:
            self.assertEqual(2, session.advanced.revisions.get_count_for("blind/1"))
            self.assertEqual(0, session.advanced.revisions.get_count_for("blind/none"))

    def test_the_terms_of_a_contract_as_of_a_date(self):
        before = moment()
        self.put_one("contracts/1", 900)
        signed = moment()
        self.put_one("contracts/1", 950)
        raised = moment()
        self.put_one("contracts/1", 1000)
        with self.store.open_session() as session:
            of_date = session.advanced.revisions.get_by_before_date
            self.assertEqual(900, of_date("contracts/1", signed, Contract).rent)
            self.assertEqual(950, of_date("contracts/1", raised, Contract).rent)
            self.assertEqual(1000, of_date("contracts/1", moment(), Contract).rent)
        # The client takes the first of what it gets, and there was nothing then.
        path = f"/databases/{self.database}/revisions?id=contracts/1&before={before.isoformat()}"
        self.assertEqual([], send(self.server.url, "GET", path).json["Results"])

    def test_a_revision_is_found_by_the_vector_the_document_had(self):
        first = self.put_one("vectors/1", 1)
        second = self.put_one("vectors/1", 2)
        with self.store.open_session() as session:
            revisions = session.advanced.revisions
            self.assertEqual(1, revisions.get_by_change_vector(first, Contract).rent)
            both = revisions.get_by_change_vectors([second, first], Contract)
            self.assertEqual([2, 1], [both[second].rent, both[first].rent])

    def test_a_vector_with_a_plus_sign_is_found(self):
        """The client sends it unescaped; in how many databases it has one is chance."""
        for n in range(60):
            self.store = self.create_store(f"{self.database}-{n}")
            keep(self.store)
            vector = self.put_one("vectors/1", n)
            if "+" in vector:
                break
        with self.store.open_session() as session:
            self.assertEqual(n, session.advanced.revisions.get_by_change_vector(vector, Contract).rent)

    def test_pages_and_metadata_alone(self):
        for rent in range(1, 31):
            self.put_one("pages/1", rent)
        with self.store.open_session() as session:
            revisions = session.advanced.revisions
            self.assertEqual(list(range(30, 5, -1)), [it.rent for it in revisions.get_for("pages/1", Contract)])
            rest = revisions.get_for("pages/1", Contract, start=25, page_size=10)
            self.assertEqual([5, 4, 3, 2, 1], [it.rent for it in rest])
            metadata = revisions.get_metadata_for("pages/1", 0, 2)
            self.assertEqual(["pages/1", "pages/1"], [it["@id"] for it in metadata])
            current = session.advanced.get_change_vector_for(session.load("pages/1", Contract))
            self.assertEqual(current, metadata[0]["@change-vector"])
        result = self.store.operations.send(GetRevisionsOperation("pages/1", Contract, 28, 100))
        self.assertEqual(30, result.total_results)
        self.assertEqual([2, 1], [it.rent for it in result.results])

    def test_revisions_come_along_with_the_document_that_names_them(self):
        """The client has no include of revisions: this is the request that others send."""
        terms = self.put_one("terms/1", 3)
        self.put_one("terms/1", 4)
        self.put_raw({"loans/1": {"terms": terms}}, self.database)
        path = f"/databases/{self.database}/docs?id=loans/1&revisions=terms"
        [included] = send(self.server.url, "GET", path).json["RevisionIncludes"]
        self.assertEqual(("terms/1", terms, 3), (included["Id"], included["ChangeVector"], included["Revision"]["rent"]))

    def test_lazy_revisions_go_in_one_request(self):
        first = self.put_one("lazy/1", 1)
        self.put_one("lazy/1", 2)
        proxy, store = self.start_proxy(self.database)
        with store.open_session() as session:
            every = session.advanced.revisions.lazily.get_for("lazy/1", Contract)
            one = session.advanced.revisions.lazily.get_by_change_vector(first, Contract)
            self.assertEqual([2, 1], [it.rent for it in every.value])
            self.assertEqual(1, one.value.rent)
        self.assertEqual([200], proxy.statuses("/multi_get"))
        self.assertEqual([], proxy.statuses("/revisions"))

    def bin(self):
        command = GetRevisionsBinEntryCommand(0, 10)
        self.store.get_request_executor().execute_command(command)
        return command.result.results

    def test_a_deleted_document_is_restored_from_the_bin(self):
        living = self.put_one("photos/1", 7)
        self.remove("photos/1")
        self.assertIsNone(self.load("photos/1"))
        [entry] = self.bin()
        self.assertEqual("photos/1", entry["@metadata"]["@id"])
        self.assertIn("DeleteRevision", entry["@metadata"]["@flags"])
        self.store.operations.send(RevertRevisionsByIdOperation(id_="photos/1", change_vector=living))
        self.assertEqual(7, self.load("photos/1").rent)
        self.assertEqual([], self.bin())
        restored, deletion, first = self.flags("photos/1")
        self.assertIn("Reverted", restored)
        self.assertIn("DeleteRevision", deletion)
        self.assertNotIn("DeleteRevision", first)

    def test_a_configuration_document_is_put_back_to_what_worked(self):
        worked = self.put_one("config/mail", 25)
        self.put_one("config/mail", 2525)
        other = self.put_one("config/other", 1)
        with self.assertRaises(Exception):
            self.store.operations.send(RevertRevisionsByIdOperation({"config/mail": other, "config/other": other}))
        self.assertEqual(2525, self.load("config/mail").rent)
        self.assertEqual(1, len(self.rents("config/other")), "all or nothing")
        self.store.operations.send(RevertRevisionsByIdOperation({"config/mail": worked}))
        self.assertEqual(25, self.load("config/mail").rent)
        self.assertEqual([25, 2525, 25], self.rents("config/mail"))

    def test_only_so_many_are_kept_and_none_where_none_are_wanted(self):
        keep(
            self.store,
            RevisionsCollectionConfiguration(minimum_revisions_to_keep=2),
            {
                "Drafts": RevisionsCollectionConfiguration(disabled=True),
                "Trash": RevisionsCollectionConfiguration(purge_on_delete=True),
            },
        )
        for n in range(5):
            for key, collection in (("notes/1", "Notes"), ("drafts/1", "Drafts"), ("trash/1", "Trash")):
                self.put_raw({key: {"rent": n, "@metadata": {"@collection": collection}}}, self.database)
        self.assertEqual([4, 3], self.rents("notes/1"))
        self.assertEqual([], self.rents("drafts/1"))
        self.assertEqual(5, len(self.rents("trash/1")))
        self.remove("trash/1")
        self.assertEqual([], self.rents("trash/1"))

    def test_a_stricter_configuration_is_enforced(self):
        for n in range(6):
            self.put_one("strict/1", n)
        keep(self.store, RevisionsCollectionConfiguration(minimum_revisions_to_keep=2))
        self.assertEqual(6, len(self.rents("strict/1")), "nothing happens by itself")
        self.store.operations.send_async(EnforceRevisionsConfigurationOperation()).wait_for_completion()
        self.assertEqual([5, 4], self.rents("strict/1"))

    def test_a_revision_is_made_on_request(self):
        keep(self.store, RevisionsCollectionConfiguration(disabled=True))
        self.put_one("forced/1", 1)
        with self.store.open_session() as session:
            session.load("forced/1", Contract).rent = 2
            session.advanced.revisions.force_revision_creation_for_id("forced/1", ForceRevisionStrategy.BEFORE)
            session.save_changes()
        self.assertEqual([1], self.rents("forced/1"), "the version before the change")
        self.assertEqual(2, self.load("forced/1").rent)

    def test_what_was_made_on_request_goes_only_on_request(self):
        keep(self.store, RevisionsCollectionConfiguration(disabled=True))
        self.put_one("forced/1", 1)
        with self.store.open_session() as session:
            session.advanced.revisions.force_revision_creation_for_id("forced/1")
            session.save_changes()
        self.assertEqual(["HasRevisions, Revision, ForceCreated"], self.flags("forced/1"))
        enforce = lambda **parameters: self.store.operations.send_async(
            EnforceRevisionsConfigurationOperation(EnforceRevisionsConfigurationOperation.Parameters(**parameters))
        ).wait_for_completion()
        enforce()
        self.assertEqual([1], self.rents("forced/1"))
        enforce(include_force_created=True)
        self.assertEqual([], self.rents("forced/1"))

    def test_revisions_are_deleted_for_good(self):
        before = [self.put_one("delete/1", n) for n in (1, 2)]
        middle = moment()
        self.put_one("delete/1", 3)
        self.put_one("delete/1", 4)
        delete = lambda **chosen: self.store.maintenance.send(DeleteRevisionsOperation(**chosen)).total_deletes
        self.assertEqual(1, delete(document_id="delete/1", revisions_change_vectors=[before[0]]))
        self.assertEqual([4, 3, 2], self.rents("delete/1"))
        self.assertEqual(1, delete(document_id="delete/1", to_date=middle))
        self.assertEqual([4, 3], self.rents("delete/1"))
        self.put_one("delete/2", 1)
        self.assertEqual(3, delete(document_ids=["delete/1", "delete/2"]))
        self.assertEqual([], self.rents("delete/1"))
        self.assertEqual(4, self.load("delete/1").rent, "the document stays")

    def test_revisions_of_nobody_are_put_into_the_bin(self):
        self.put_one("lost/1", 1)
        self.remove("lost/1")
        [deletion] = self.bin()
        self.store.maintenance.send(
            DeleteRevisionsOperation("lost/1", [deletion["@metadata"]["@change-vector"]])
        )
        self.assertEqual([], self.bin())
        self.store.operations.send_async(AdoptOrphanedRevisionsOperation()).wait_for_completion()
        self.assertEqual(["lost/1"], [entry["@metadata"]["@id"] for entry in self.bin()])

    def test_the_bin_empties_itself_when_told_to(self):
        self.put_one("trash/1", 1)
        self.remove("trash/1")
        clean = lambda **configuration: self.store.maintenance.send(
            ConfigureRevisionsBinCleanerOperation(RevisionsBinConfiguration(**configuration))
        )
        self.assertGreater(clean(cleaner_frequency_in_sec=1).raft_command_index, 0)
        self.assertEqual(1, len(self.bin()), "a month is not over")
        clean(minimum_entries_age_to_keep_in_min=0, cleaner_frequency_in_sec=1)
        until(lambda: not self.bin())
        self.assertEqual([], self.rents("trash/1"))

    def test_revisions_outlive_a_crash(self):
        first = self.put_one("crash/1", 1)
        self.put_one("crash/1", 2)
        self.server.crash()
        self.store = open_store(self.server.url, self.database)
        self.addCleanup(self.store.close)
        self.assertEqual([2, 1], self.rents("crash/1"))
        with self.store.open_session() as session:
            self.assertEqual(1, session.advanced.revisions.get_by_change_vector(first, Contract).rent)
