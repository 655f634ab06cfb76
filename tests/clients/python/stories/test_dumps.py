"""A shop is taken out of one database and put into another, with all its history."""

import io
import os
import tempfile

from ravendb import ConfigureRevisionsOperation, RevisionsCollectionConfiguration, RevisionsConfiguration
from ravendb.documents.smuggler.common import (
    DatabaseItemType,
    DatabaseSmugglerExportOptions,
    DatabaseSmugglerImportOptions,
)

from harness import Story


class Offer:
    def __init__(self, price=None):
        self.price = price


class Dumps(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        configuration = RevisionsConfiguration(RevisionsCollectionConfiguration())
        cls.store.maintenance.send(ConfigureRevisionsOperation(configuration))
        for price in (1, 2):
            with cls.store.open_session() as session:
                session.store(Offer(price), "offers/1")
                session.advanced.attachments.store("offers/1", "picture.png", b"picture %d" % price, "image/png")
                session.save_changes()

    def test_a_dump_carries_documents_their_history_and_their_attachments(self):
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "shop.ravendbdump")
            result = self.store.smuggler.export(DatabaseSmugglerExportOptions(), file).wait_for_completion()
            self.assertGreaterEqual(result.documents.read_count, 1)
            self.assertEqual(4, result.revision_documents.read_count)
            copy = self.create_store("Copy")
            imported = copy.smuggler.import_data(DatabaseSmugglerImportOptions(), file).wait_for_completion()
        self.assertEqual(result.documents.read_count, imported.documents.read_count)
        self.assertEqual(4, imported.revision_documents.read_count)
        with copy.open_session() as session:
            self.assertEqual(2, session.load("offers/1", Offer).price)
            self.assertEqual(b"picture 2", session.advanced.attachments.get("offers/1", "picture.png").data)
            prices = [offer.price for offer in session.advanced.revisions.get_for("offers/1", Offer)]
        self.assertEqual([2, 2, 1, 1], prices)

    def test_from_one_database_to_another_without_a_file(self):
        copy = self.create_store("Direct")
        options = DatabaseSmugglerExportOptions(operate_on_types={DatabaseItemType.DOCUMENTS})
        self.store.smuggler.export_to_database(options, copy.smuggler).wait_for_completion()
        with copy.open_session() as session:
            self.assertEqual(2, session.load("offers/1", Offer).price)
            self.assertEqual(0, session.advanced.revisions.get_count_for("offers/1"))

    def test_what_is_no_dump_is_refused(self):
        with self.assertRaisesRegex(Exception, "@id"):
            self.store.smuggler.import_data(
                DatabaseSmugglerImportOptions(), io.BytesIO(b'{"BuildVersion":72051,"Docs":[{"n":1}]}')
            ).wait_for_completion()
