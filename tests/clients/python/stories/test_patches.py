"""A ledger is changed where it is: by session, by script, by JSON Patch, and by query."""

from concurrent.futures import ThreadPoolExecutor

from ravendb import DeleteByQueryOperation, JsonPatchDocument, JsonPatchOperation, PatchByQueryOperation
from ravendb.documents.operations.patch import PatchOperation, PatchRequest, PatchStatus
from ravendb.documents.queries.index_query import IndexQuery
from ravendb.exceptions.raven_exceptions import RavenException

from harness import Story


class Account:
    def __init__(self, owner=None, balance=0, tags=None):
        self.owner = owner
        self.balance = balance
        self.tags = tags or []


def script(text, **values):
    request = PatchRequest()
    request.script = text
    request.values = values
    return request


class Patches(Story):
    def put(self, key, **fields):
        with self.store.open_session() as session:
            session.store(Account(**fields), key)
            session.save_changes()

    def load(self, key):
        with self.store.open_session() as session:
            return session.load(key, Account)

    def patch(self, key, request, if_missing=None):
        operation = PatchOperation(key, None, request, if_missing)
        return self.store.operations.send_patch_operation(operation, None)

    def test_a_session_sets_increments_and_edits_arrays_without_loading(self):
        self.put("accounts/1", owner="Ada", balance=10, tags=["a", "b"])
        with self.store.open_session() as session:
            session.advanced.increment("accounts/1", "balance", 5)
            session.save_changes()
        with self.store.open_session() as session:
            # Sent as a JSON Patch.
            session.advanced.patch("accounts/1", "owner", "Eva")
            session.advanced.patch_array("accounts/1", "tags", lambda tags: tags.add("c", "d"))
            session.advanced.patch_array("accounts/1", "tags", lambda tags: tags.remove_at(0))
            session.save_changes()
        account = self.load("accounts/1")
        self.assertEqual(("Eva", 15, ["b", "c", "d"]), (account.owner, account.balance, account.tags))

    def test_a_script_says_what_it_did(self):
        self.put("accounts/2", balance=1)
        changed = self.patch("accounts/2", script("this.balance += args.by", by=2))
        self.assertEqual(PatchStatus.PATCHED, changed)
        self.assertEqual(3, self.load("accounts/2").balance)
        same = self.patch("accounts/2", script("this.balance += args.by", by=0))
        self.assertEqual(PatchStatus.NOT_MODIFIED, same)
        made = self.patch("accounts/new", script("this.balance++"), script("this.balance = 100"))
        self.assertEqual(PatchStatus.CREATED, made)

    def test_a_script_that_throws_fails_its_whole_batch(self):
        self.put("accounts/3", balance=1)
        with self.store.open_session() as session:
            session.store(Account("nobody"), "accounts/not")
            session.advanced.increment("accounts/3", "balance.missing.deep", 1)
            with self.assertRaises(RavenException):
                session.save_changes()
        self.assertIsNone(self.load("accounts/not"))
        self.assertEqual(1, self.load("accounts/3").balance)

    def test_a_json_patch_is_applied_in_order_or_not_at_all(self):
        self.put("accounts/4", owner="Ada", tags=["x"])
        patch = JsonPatchDocument().add("/tags/-", "y").replace("/owner", "Eva").test("/tags/1", "y")
        done = self.store.operations.send(JsonPatchOperation("accounts/4", patch))
        self.assertEqual(PatchStatus.PATCHED, done.status)
        self.assertEqual(["x", "y"], self.load("accounts/4").tags)
        failing = JsonPatchDocument().remove("/owner").test("/tags/0", "other")
        with self.assertRaises(RavenException):
            self.store.operations.send(JsonPatchOperation("accounts/4", failing))
        self.assertEqual("Eva", self.load("accounts/4").owner)

    def test_concurrent_increments_all_count(self):
        self.put("accounts/hot", balance=0)
        with ThreadPoolExecutor(8) as threads:
            runs = [threads.submit(self.patch, "accounts/hot", script("this.balance++")) for _ in range(40)]
            for run in runs:
                run.result()
        self.assertEqual(40, self.load("accounts/hot").balance)

    def test_what_a_query_finds_is_patched_then_deleted(self):
        with self.store.open_session() as session:
            for at in range(50):
                session.store(Account("query", at), f"accounts/q/{at}")
            session.save_changes()
        query = IndexQuery("from Accounts as a where startsWith(id(), 'accounts/q/') update { a.balance += $by; }")
        query.query_parameters = {"by": 1000}
        self.store.operations.send_async(PatchByQueryOperation(query)).wait_for_completion()
        self.assertEqual(1049, self.load("accounts/q/49").balance)
        gone = IndexQuery("from Accounts where owner = 'query' and balance >= 1025")
        gone.wait_for_non_stale_results = True
        self.store.operations.send_async(DeleteByQueryOperation(gone)).wait_for_completion()
        self.assertIsNone(self.load("accounts/q/25"))
        self.assertEqual(1024, self.load("accounts/q/24").balance)
