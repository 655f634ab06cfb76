"""Two people work on the same documents: what each may overwrite, and what is refused."""

import threading

from ravendb import OptimisticConcurrencyMode, SessionOptions
from ravendb.exceptions.raven_exceptions import ConcurrencyException

from harness import Story, send


class Account:
    def __init__(self, balance=None):
        self.balance = balance


class Concurrency(Story):
    def put_one(self, key, balance):
        with self.store.open_session() as session:
            account = Account(balance)
            session.store(account, key)
            session.save_changes()
            return session.advanced.get_change_vector_for(account)

    def balance(self, key):
        with self.store.open_session() as session:
            account = session.load(key, Account)
            return account and account.balance

    def test_last_write_wins_without_a_check(self):
        self.put_one("plain/1", 0)
        with self.store.open_session() as one, self.store.open_session() as two:
            one.load("plain/1", Account).balance = 1
            two.load("plain/1", Account).balance = 2
            one.save_changes()
            two.save_changes()
        self.assertEqual(2, self.balance("plain/1"))

    def test_a_careful_session_aborts_as_a_whole(self):
        self.put_one("careful/1", 0)
        self.put_one("careful/2", 0)
        with self.store.open_session() as session:
            session.advanced.use_optimistic_concurrency = True
            session.load("careful/1", Account).balance = 10
            session.load("careful/2", Account).balance = 10
            session.store(Account(10), "careful/3")
            self.put_one("careful/2", 5)
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual([0, 5, None], [self.balance(f"careful/{n}") for n in (1, 2, 3)])

    def test_an_explicit_vector(self):
        first = self.put_one("explicit/1", 1)
        second = self.put_one("explicit/1", 2)
        with self.store.open_session() as session:
            session.store(Account(3), "explicit/1", first)
            session.store(Account(3), "explicit/2")
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual([2, None], [self.balance("explicit/1"), self.balance("explicit/2")])
        with self.store.open_session() as session:
            session.store(Account(4), "explicit/1", second)
            session.save_changes()
        self.assertEqual(4, self.balance("explicit/1"))

    def test_a_careful_delete(self):
        first = self.put_one("delete/1", 1)
        second = self.put_one("delete/1", 2)
        with self.store.open_session() as session:
            session.delete("delete/1", first)
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual(2, self.balance("delete/1"))
        with self.store.open_session() as session:
            session.delete("delete/1", second)
            session.save_changes()
        self.assertIsNone(self.balance("delete/1"))

    def test_a_taken_generated_id_is_not_overwritten(self):
        self.put_one("accounts/1-A", 100)
        # Only a careful session makes this client say that a generated id must be new.
        with self.store.open_session() as session:
            session.advanced.use_optimistic_concurrency = True
            account = Account(0)
            session.store(account)
            self.assertEqual("accounts/1-A", session.advanced.get_document_id(account))
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual(100, self.balance("accounts/1-A"))

    def test_an_empty_vector_asks_for_a_new_document(self):
        batch = {"Commands": [{"Type": "PUT", "Id": "fresh/1", "ChangeVector": "", "Document": {"balance": 1}}]}
        first = send(self.server.url, "POST", "/databases/Story/bulk_docs", batch)
        second = send(self.server.url, "POST", "/databases/Story/bulk_docs", batch)
        self.assertEqual([201, 409], [first.status, second.status])
        self.assertEqual("Raven.Client.Exceptions.ConcurrencyException", second.json["Type"])

    def test_reads_are_checked_when_asked(self):
        self.put_one("limits/1", 10)
        self.put_one("spending/1", 0)
        options = SessionOptions(optimistic_concurrency_mode=OptimisticConcurrencyMode.WRITES_AND_READS)
        with self.store.open_session(session_options=options) as session:
            limit = session.load("limits/1", Account)
            session.load("spending/1", Account).balance = limit.balance
            self.put_one("limits/1", 5)
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual(0, self.balance("spending/1"))
        with self.store.open_session(session_options=options) as session:
            limit = session.load("limits/1", Account)
            session.load("spending/1", Account).balance = limit.balance
            session.save_changes()
        self.assertEqual(5, self.balance("spending/1"))

    def test_a_missing_document_that_was_read_is_checked_too(self):
        self.put_one("absent/2", 0)
        options = SessionOptions(optimistic_concurrency_mode=OptimisticConcurrencyMode.WRITES_AND_READS)
        with self.store.open_session(session_options=options) as session:
            self.assertIsNone(session.load("absent/1", Account))
            session.load("absent/2", Account).balance = 1
            self.put_one("absent/1", 7)
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual(0, self.balance("absent/2"))

    def test_a_registered_check_holds_without_loading(self):
        vector = self.put_one("registered/1", 1)
        with self.store.open_session() as session:
            session.advanced.register_for_concurrency_check("registered/1", vector)
            session.advanced.register_for_concurrency_check("registered/none", "")
            session.store(Account(1), "registered/2")
            session.save_changes()
        self.put_one("registered/1", 2)
        with self.store.open_session() as session:
            session.advanced.register_for_concurrency_check("registered/1", vector)
            session.store(Account(2), "registered/2")
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        with self.store.open_session() as session:
            session.advanced.register_for_concurrency_check("registered/1", "")
            session.store(Account(2), "registered/2")
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        self.assertEqual(1, self.balance("registered/2"))

    def test_many_writers_lose_nothing_when_they_check_and_retry(self):
        self.put_one("counter/1", 0)
        failures = []

        def increment():
            try:
                for _ in range(10):
                    while True:
                        with self.store.open_session() as session:
                            session.advanced.use_optimistic_concurrency = True
                            session.load("counter/1", Account).balance += 1
                            try:
                                session.save_changes()
                                break
                            except ConcurrencyException:
                                continue
            except BaseException as error:
                failures.append(error)

        writers = [threading.Thread(target=increment) for _ in range(5)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        self.assertEqual([], failures)
        self.assertEqual(50, self.balance("counter/1"))
