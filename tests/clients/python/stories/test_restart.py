"""The server goes away in the middle of the work and comes back."""

from harness import Story, open_store


class Note:
    def __init__(self, n=None):
        self.n = n


class Restart(Story):
    def goes_on_after(self, interrupt, key):
        self.put({key: Note(1)})
        with self.store.open_session() as session:
            session.load(key, Note).n = 2
            interrupt()
            session.save_changes()
        store = open_store(self.server.url, "Story")
        self.addCleanup(store.close)
        with store.open_session() as session:
            self.assertEqual(2, session.load(key, Note).n)

    def test_a_graceful_restart(self):
        self.goes_on_after(self.server.restart, "kept/1")

    def test_a_kill(self):
        self.goes_on_after(self.server.crash, "kept/2")
