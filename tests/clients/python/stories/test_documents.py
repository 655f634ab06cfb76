"""A small shop keeps users: stores, loads, changes and deletes documents."""

import urllib.parse

from harness import Story, send


class User:
    def __init__(self, name=None, age=None, tags=None):
        self.name = name
        self.age = age
        self.tags = tags


class Documents(Story):
    def test_store_load_modify_delete(self):
        with self.store.open_session() as session:
            ann, bo = User("Ann", 31), User("Bo", 44)
            session.store(ann)
            session.store(bo)
            session.save_changes()
            self.assertEqual("users/1-A", session.advanced.get_document_id(ann))
            self.assertEqual("users/2-A", session.advanced.get_document_id(bo))
        with self.store.open_session() as session:
            loaded = session.load("users/1-A", User)
            self.assertIsInstance(loaded, User)
            self.assertEqual(("Ann", 31), (loaded.name, loaded.age))
            loaded.age = 32
            loaded.tags = ["a", "b"]
            session.save_changes()
        with self.store.open_session() as session:
            changed = session.load("users/1-A", User)
            self.assertEqual((32, ["a", "b"]), (changed.age, changed.tags))
            session.delete(changed)
            session.save_changes()
        with self.store.open_session() as session:
            self.assertIsNone(session.load("users/1-A", User))

    def test_ids_in_any_case_and_script(self):
        ids = ["Children/Alice-Liddell", "städte/Zürich", "日本/東京", "smile/😀", "space/a b", "sign/a&b=c?d#e%20f+g"]
        self.put({key: User(key) for key in ids})
        for key in ids:
            with self.store.open_session() as session:
                user = session.load(key, User)
                self.assertIsNotNone(user, key)
                self.assertEqual(key, user.name)
                self.assertEqual(key, session.advanced.get_metadata_for(user)["@id"])
        with self.store.open_session() as session:
            self.assertEqual("Children/Alice-Liddell", session.load("children/ALICE-liddell", User).name)

    def test_metadata_is_kept(self):
        with self.store.open_session() as session:
            user = User("tagged")
            session.store(user, "meta/1")
            session.advanced.get_metadata_for(user)["Reviewed-By"] = "ann"
            session.save_changes()
        with self.store.open_session() as session:
            user = session.load("meta/1", User)
            metadata = session.advanced.get_metadata_for(user)
            self.assertEqual("ann", metadata["Reviewed-By"])
            self.assertEqual("Users", metadata["@collection"])
            self.assertRegex(session.advanced.get_change_vector_for(user), r"^A:\d+-[\w+/]{22}$")
            self.assertIsNotNone(session.advanced.get_last_modified_for(user))

    def test_collection_cannot_change(self):
        self.put_raw({"fixed/1": {"a": 1, "@metadata": {"@collection": "Fixed"}}})
        answer = send(self.server.url, "PUT", "/databases/Story/docs?id=fixed%2F1",
                      {"a": 2, "@metadata": {"@collection": "Moved"}})
        self.assertGreaterEqual(answer.status, 400)
        self.assertIn("collection", answer.json["Message"].lower())
        stored = send(self.server.url, "GET", "/databases/Story/docs?id=fixed%2F1").json["Results"][0]
        self.assertEqual((1, "Fixed"), (stored["a"], stored["@metadata"]["@collection"]))

    def test_a_hundred_ids_some_missing(self):
        present = [f"many/{n}" for n in range(97)]
        self.put({key: User(key) for key in present})
        ids = present[:50] + ["many/x", "many/y"] + present[50:] + ["many/z"]
        with self.store.open_session() as session:
            found = session.load(ids, User)
            self.assertEqual(1, session.advanced.number_of_requests)
        self.assertEqual(100, len(found))
        self.assertEqual({"many/x", "many/y", "many/z"}, {key for key in ids if found[key] is None})
        for key in present:
            self.assertEqual(key, found[key].name)

    def test_long_lists_of_ids_go_by_post(self):
        ids = [f"a-rather-long-prefix-for-a-document-id/{n}" for n in range(60)]
        self.put({key: User(key) for key in ids})
        proxy, store = self.start_proxy()
        with store.open_session() as session:
            found = session.load(ids, User)
        self.assertEqual(set(ids), {user.name for user in found.values()})
        self.assertEqual([("POST", 200)], [(method, status) for method, path, status in proxy.log if "/docs" in path])

    def test_existence_is_asked_without_loading(self):
        # The client's own escaping loses what follows a dash in an id, so there is none here.
        self.put({"exists/one": User("here")})
        proxy, store = self.start_proxy()
        with store.open_session() as session:
            self.assertTrue(session.advanced.exists("exists/one"))
            self.assertFalse(session.advanced.exists("exists/two"))
        self.assertEqual([("HEAD", 200), ("HEAD", 404)], [(method, status) for method, path, status in proxy.log if "/docs" in path])

    def test_conditional_load(self):
        self.put({"conditional/1": User("first")})
        with self.store.open_session() as session:
            vector = session.advanced.get_change_vector_for(session.load("conditional/1", User))
        with self.store.open_session() as session:
            unchanged = session.advanced.conditional_load("conditional/1", vector, User)
            self.assertIsNone(unchanged.entity)
            self.assertEqual(vector, unchanged.change_vector)
        self.put({"conditional/1": User("second")})
        with self.store.open_session() as session:
            changed = session.advanced.conditional_load("conditional/1", vector, User)
            self.assertEqual("second", changed.entity.name)
            self.assertNotEqual(vector, changed.change_vector)

    def test_refused_ids(self):
        for key in ["", "a" * 3000]:
            answer = send(self.server.url, "PUT", f"/databases/Story/docs?id={urllib.parse.quote(key)}", {"a": 1})
            self.assertGreaterEqual(answer.status, 400)
            self.assertTrue(answer.json["Message"])
        with self.store.open_session() as session:
            session.store(User("too long"), "b" * 3000)
            with self.assertRaises(Exception):
                session.save_changes()

    def test_numbers_keep_their_text_and_properties_their_order(self):
        body = '"zebra":1,"apple":1.0,"big":12345678901234567890,"precise":0.1000000000000000055511151231257827,"e":1E+2'
        put = send(self.server.url, "PUT", "/databases/Story/docs?id=text%2F1", "{" + body + "}")
        self.assertEqual(201, put.status, put.text)
        self.assertIn("{" + body + ',"@metadata":', send(self.server.url, "GET", "/databases/Story/docs?id=text%2F1").text)

    def test_a_server_made_id(self):
        with self.store.open_session() as session:
            user = User("made")
            session.store(user, "made/")
            session.save_changes()
            key = session.advanced.get_document_id(user)
        self.assertRegex(key, r"^made/\d{19}-A$")
        with self.store.open_session() as session:
            self.assertEqual("made", session.load(key, User).name)
