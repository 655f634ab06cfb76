"""A sign-up token is good until its time, and gone after the next sweep.

Nothing here is timed: the database itself says when it deleted what, and that is compared with
what was promised.
"""

import datetime

from ravendb import ConfigureRevisionsOperation, RevisionsCollectionConfiguration, RevisionsConfiguration
from ravendb.documents.operations.expiration.configuration import ExpirationConfiguration
from ravendb.documents.operations.expiration.operations import ConfigureExpirationOperation

from harness import Story, open_store, send, until


class Token:
    def __init__(self, n=None):
        self.n = n


def now():
    return datetime.datetime.now(datetime.timezone.utc)


DAY = datetime.timedelta(days=1)


def text_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


class Expiration(Story):
    def setUp(self):
        self.database = f"Expiration-{self._testMethodName}"
        self.store = self.create_store(self.database)
        # Deletions leave a revision then, which says when they happened.
        configuration = RevisionsConfiguration(RevisionsCollectionConfiguration())
        self.store.maintenance.send(ConfigureRevisionsOperation(configuration))

    def sweep(self, disabled=False):
        self.store.maintenance.send(ConfigureExpirationOperation(ExpirationConfiguration(disabled, 1)))

    def put_expiring(self, expirations):
        with self.store.open_session() as session:
            for key, moment in expirations.items():
                token = Token(key)
                session.store(token, key)
                session.advanced.get_metadata_for(token)["@expires"] = text_of(moment)
            session.save_changes()

    def load(self, *keys):
        with self.store.open_session() as session:
            # Of a single id the client answers no map.
            found = {keys[0]: session.load(keys[0], Token)} if len(keys) == 1 else session.load(list(keys), Token)
            return [found[key] for key in keys]

    def is_gone(self, key):
        return self.load(key) == [None]

    def deletion_of(self, key):
        """When the database deleted it, by its own clock."""
        with self.store.open_session() as session:
            [deletion] = session.advanced.revisions.get_metadata_for(key, 0, 1)
        self.assertIn("DeleteRevision", deletion["@flags"])
        return deletion["@last-modified"]

    def test_a_token_is_gone_after_its_time_and_never_before(self):
        soon = now() + datetime.timedelta(milliseconds=1500)
        self.put_expiring({"past": now() - DAY, "soon": soon, "together": soon, "tomorrow": now() + DAY})
        self.assertFalse(self.is_gone("past"), "without sweeps nothing is deleted, however old")
        self.sweep()
        until(lambda: self.is_gone("past"))

        def both_are_gone():
            living = [token for token in self.load("soon", "together") if token]
            # One request sees one state, and one sweep takes all that is due.
            self.assertIn(len(living), (0, 2))
            return not living

        until(both_are_gone)
        for key in ("soon", "together"):
            self.assertGreaterEqual(self.deletion_of(key), text_of(soon), "not a moment before its time")
        self.assertFalse(self.is_gone("tomorrow"))

    def test_a_token_that_is_extended_lives_on(self):
        self.put_expiring({"extended": now() - DAY, "other": now() - DAY})
        self.put_expiring({"extended": now() + DAY})
        self.sweep()
        until(lambda: self.is_gone("other"))
        self.assertFalse(self.is_gone("extended"))

    def test_sweeps_stop_when_they_are_switched_off(self):
        self.sweep()
        self.put_expiring({"on": now() - DAY})
        until(lambda: self.is_gone("on"))
        self.sweep(disabled=True)
        self.put_expiring({"off": now() - DAY})
        quiet = self.store
        # Another database is swept meanwhile.
        self.store = self.create_store(f"{self.database}-other")
        self.sweep()
        self.put_expiring({"on": now() - DAY})
        until(lambda: self.is_gone("on"))
        self.store = quiet
        self.assertFalse(self.is_gone("off"))

    def test_what_became_due_while_the_server_was_down_goes_afterwards(self):
        self.sweep()
        due = now() + datetime.timedelta(seconds=1)
        self.put_expiring({"down": due, "tomorrow": now() + DAY})
        self.server.crash()
        self.store = open_store(self.server.url, self.database)
        self.addCleanup(self.store.close)
        until(lambda: self.is_gone("down"))
        self.assertGreaterEqual(self.deletion_of("down"), text_of(due))
        self.server.restart()
        self.assertEqual([True, False], [self.is_gone("down"), self.is_gone("tomorrow")])

    def test_a_refresh_at_its_time_is_an_ordinary_change(self):
        """The client's own operation for this lacks the request's method: it is sent by hand."""
        configured = send(
            self.server.url, "POST", f"/databases/{self.database}/admin/refresh/config",
            {"Disabled": False, "RefreshFrequencyInSec": 1},
        )
        self.assertEqual(200, configured.status, configured.text)
        with self.store.open_session() as session:
            token = Token(1)
            session.store(token, "refresh")
            session.advanced.get_metadata_for(token)["@refresh"] = text_of(now() - DAY)
            session.save_changes()
            vector = session.advanced.get_change_vector_for(token)

        def refreshed():
            with self.store.open_session() as later:
                found = later.load("refresh", Token)
                metadata = later.advanced.get_metadata_for(found)
                return "@refresh" not in metadata and metadata

        self.assertNotEqual(vector, until(refreshed)["@change-vector"])
