"""A lease is the tenants' data, its schedule and the scanned contract: all of it or nothing."""

import os

from ravendb import ConfigureRevisionsOperation, RevisionsCollectionConfiguration, RevisionsConfiguration
from ravendb.data.operation import AttachmentType
from ravendb.documents.operations.attachments import (
    AttachmentRequest,
    DeleteAttachmentOperation,
    DeleteAttachmentsOperation,
    GetAttachmentOperation,
    PutAttachmentOperation,
)
from ravendb.documents.operations.statistics import GetStatisticsOperation
from ravendb.exceptions.raven_exceptions import ConcurrencyException

from harness import Story, open_store, send


class Lease:
    def __init__(self, tenant=None):
        self.tenant = tenant


class Attachments(Story):
    def put_one(self, key, tenant=None):
        with self.store.open_session() as session:
            lease = Lease(tenant)
            session.store(lease, key)
            session.save_changes()
            return session.advanced.get_change_vector_for(lease)

    def attach(self, key, name, content, content_type="text/plain"):
        with self.store.open_session() as session:
            session.advanced.attachments.store(key, name, content, content_type)
            session.save_changes()

    def content(self, key, name, store=None):
        with (store or self.store).open_session() as session:
            attachment = session.advanced.attachments.get(key, name)
            return attachment and attachment.data

    def names(self, key):
        with self.store.open_session() as session:
            return [it.name for it in session.advanced.attachments.get_names(session.load(key, Lease))]

    def counts(self):
        statistics = self.store.maintenance.send(GetStatisticsOperation())
        return statistics.count_of_attachments, statistics.count_of_unique_attachments

    def test_a_lease_its_schedule_and_the_scan_are_stored_in_one_batch(self):
        scan = os.urandom(700_000)
        with self.store.open_session() as session:
            lease = Lease("Mara")
            session.store(lease, "leases/1")
            session.store(Lease("schedule"), "leases/1/schedule")
            session.advanced.attachments.store(lease, "contract.pdf", scan, "application/pdf")
            session.advanced.attachments.store("leases/1/schedule", "note.txt", b"due on the 3rd", "text/plain")
            session.save_changes()
        with self.store.open_session() as session:
            stored = session.load("leases/1", Lease)
            self.assertEqual("Mara", stored.tenant)
            [listed] = session.advanced.attachments.get_names(stored)
            self.assertEqual(
                ("contract.pdf", "application/pdf", len(scan)), (listed.name, listed.content_type, listed.size)
            )
            attachment = session.advanced.attachments.get("leases/1", "contract.pdf")
            self.assertEqual(scan, attachment.data)
            self.assertEqual("application/pdf", attachment.details.content_type)
            self.assertEqual(listed.hash, attachment.details.hash)
        self.assertEqual(b"due on the 3rd", self.content("leases/1/schedule", "note.txt"))

    def test_after_a_failing_batch_there_is_neither(self):
        before = self.counts()
        stale = self.put_one("rooms/1", "one")
        self.put_one("rooms/1", "two")
        with self.store.open_session() as session:
            lease = Lease("Noor")
            session.store(lease, "leases/2")
            session.advanced.attachments.store(lease, "contract.pdf", os.urandom(300_000), "application/pdf")
            session.store(Lease("three"), "rooms/1", stale)
            with self.assertRaises(ConcurrencyException):
                session.save_changes()
        with self.store.open_session() as session:
            self.assertIsNone(session.load("leases/2", Lease))
            self.assertFalse(session.advanced.attachments.exists("leases/2", "contract.pdf"))
        self.assertEqual(before, self.counts())

    def test_it_is_asked_whether_one_exists(self):
        self.put_one("exists/1")
        self.attach("exists/1", "Note.txt", b"hello")
        with self.store.open_session() as session:
            exists = session.advanced.attachments.exists
            self.assertTrue(exists("exists/1", "Note.txt"))
            self.assertTrue(exists("EXISTS/1", "note.TXT"))
            self.assertFalse(exists("exists/1", "other.txt"))
            self.assertFalse(exists("exists/none", "Note.txt"))

    def test_copied_moved_and_renamed(self):
        """To copy or rename by id the client wants the documents loaded in the session."""
        self.put_one("from/1")
        self.put_one("to/1")
        self.attach("from/1", "a.txt", b"content of a")
        self.attach("from/1", "b.txt", b"content of b")
        with self.store.open_session() as session:
            source, target = session.load("from/1", Lease), session.load("to/1", Lease)
            session.advanced.attachments.copy(source, "a.txt", target, "copy.txt")
            session.advanced.attachments.move(source, "b.txt", target, "moved.txt")
            session.save_changes()
        self.assertEqual(["a.txt"], self.names("from/1"))
        self.assertEqual(["copy.txt", "moved.txt"], self.names("to/1"))
        with self.store.open_session() as session:
            target = session.load("to/1", Lease)
            session.advanced.attachments.rename(target, "moved.txt", "named.txt")
            session.save_changes()
        self.assertEqual(["copy.txt", "named.txt"], self.names("to/1"))
        with self.store.open_session() as session:
            session.advanced.attachments.delete("from/1", "a.txt")
            session.save_changes()
        self.assertEqual([], self.names("from/1"))
        self.assertEqual(b"content of a", self.content("to/1", "copy.txt"))
        self.assertEqual(b"content of b", self.content("to/1", "named.txt"))

    def test_put_get_and_delete_without_a_session(self):
        self.put_one("single/1")
        put = lambda content, vector=None: self.store.operations.send(
            PutAttachmentOperation("single/1", "Ä note.txt", content, "text/plain", change_vector=vector)
        )
        first = put(b"alone")
        self.assertEqual(("Ä note.txt", "text/plain", 5), (first.name, first.content_type, first.size))
        get = GetAttachmentOperation("single/1", "Ä note.txt", AttachmentType.document, None)
        self.assertEqual(b"alone", self.store.operations.send(get).data)
        second = put(b"again", first.change_vector)
        with self.assertRaises(ConcurrencyException):
            put(b"late", first.change_vector)
        delete = lambda vector: self.store.operations.send(
            DeleteAttachmentOperation("single/1", "Ä note.txt", vector)
        )
        with self.assertRaises(ConcurrencyException):
            delete(first.change_vector)
        delete(second.change_vector)
        self.assertEqual([], self.names("single/1"))

    def test_several_are_deleted_at_once(self):
        self.put_one("several/1")
        for name in ("a", "b", "c"):
            self.attach("several/1", name, name.encode())
        requests = [AttachmentRequest("several/1", name) for name in ("a", "c")]
        self.store.operations.send(DeleteAttachmentsOperation(requests))
        self.assertEqual(["b"], self.names("several/1"))

    def test_a_film_goes_up_and_comes_back(self):
        """The client sends bytes only; what can be read bit by bit it takes for JSON."""
        self.put_one("films/1")
        film = os.urandom(3_000_000)
        self.assertEqual(len(film), self.store.operations.send(
            PutAttachmentOperation("films/1", "film", film, "video/x-film")).size)
        self.assertEqual(film, self.content("films/1", "film"))

    def test_part_of_one_is_a_range(self):
        """The client has no ranges: this is what browsers and players send."""
        self.put_one("ranges/1")
        content = os.urandom(600_000)
        self.attach("ranges/1", "a.bin", content, "application/octet-stream")
        part = send(
            self.server.url, "GET", "/databases/Story/attachments?id=ranges/1&name=a.bin",
            headers={"Range": "bytes=299990-300009"},
        )
        self.assertEqual(206, part.status)
        self.assertEqual("bytes 299990-300009/600000", part.headers["Content-Range"])
        self.assertEqual(content[299_990:300_010], part.body)

    def test_the_same_content_is_kept_once(self):
        """The client refuses equal contents, and equal names, in one batch: these are three."""
        before = self.counts()
        scan = os.urandom(200_000)
        for key in ("same/1", "same/2", "same/3"):
            self.put_one(key)
            self.attach(key, "scan", scan, "image/png")
        after = self.counts()
        self.assertEqual((3, 1), (after[0] - before[0], after[1] - before[1]))
        with self.store.open_session() as session:
            for key in ("same/1", "same/2"):
                session.delete(key)
            session.save_changes()
        self.assertEqual(scan, self.content("same/3", "scan"))
        after = self.counts()
        self.assertEqual((1, 1), (after[0] - before[0], after[1] - before[1]))

    def test_a_revision_keeps_the_attachments_it_had(self):
        store = self.create_store("Papers")
        configuration = RevisionsConfiguration(RevisionsCollectionConfiguration())
        store.maintenance.send(ConfigureRevisionsOperation(configuration))
        with store.open_session() as session:
            paper = Lease("On bins")
            session.store(paper, "papers/1")
            session.advanced.attachments.store(paper, "draft.txt", b"first draft", "text/plain")
            session.save_changes()
        with store.open_session() as session:
            first = session.advanced.get_change_vector_for(session.load("papers/1", Lease))
            session.advanced.attachments.store("papers/1", "draft.txt", b"second draft", "text/plain")
            session.save_changes()
        with store.open_session() as session:
            session.delete("papers/1")
            session.save_changes()
        old = store.operations.send(GetAttachmentOperation("papers/1", "draft.txt", AttachmentType.revision, first))
        self.assertEqual(b"first draft", old.data)

    def test_documents_and_attachments_outlive_a_crash_together(self):
        scan = os.urandom(400_000)
        with self.store.open_session() as session:
            lease = Lease("Ole")
            session.store(lease, "leases/9")
            session.advanced.attachments.store(lease, "contract.pdf", scan, "application/pdf")
            session.save_changes()
        self.server.crash()
        store = open_store(self.server.url, "Story")
        self.addCleanup(store.close)
        with store.open_session() as session:
            self.assertEqual("Ole", session.load("leases/9", Lease).tenant)
        self.assertEqual(scan, self.content("leases/9", "contract.pdf", store))
