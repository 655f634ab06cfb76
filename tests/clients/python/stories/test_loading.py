"""An order page needs much at once: includes, lazy loads, prefixes, cached answers."""

from harness import Story


class Item:
    def __init__(self, Name=None, Company=None):
        self.Name = Name
        self.Company = Company


class Loading(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        story = cls()
        story.put_raw({
            "companies/1-A": {"Name": "Acme"},
            "products/1-A": {"Name": "Nut"},
            "products/2-A": {"Name": "Bolt"},
            "orders/1-A": {
                "Company": "companies/1-A",
                "Refs": ["products/1-A", "products/2-A"],
                "Lines": [{"Product": "products/1-A"}, {"Product": "products/2-A"}, {"Product": "products/404-A"}],
                "Shipping": {"Address": {"Depot": "products/2-A"}},
            },
            **{f"invoices/2026-{n:03}": {"n": n} for n in range(1, 31)},
        })

    def counted_session(self):
        proxy, store = self.start_proxy()
        with store.open_session() as session:
            session.load("nothing/yet", dict)
        proxy.log.clear()
        return proxy, store

    def test_includes_need_one_request(self):
        proxy, store = self.counted_session()
        for path, ids in [
            ("Company", ["companies/1-A"]),
            ("Refs", ["products/1-A", "products/2-A"]),
            ("Lines[].Product", ["products/1-A", "products/2-A"]),
            ("Shipping.Address.Depot", ["products/2-A"]),
        ]:
            with self.subTest(path), store.open_session() as session:
                proxy.log.clear()
                session.include(path).load("orders/1-A", dict)
                names = []
                for key in ids:
                    document = session.load(key, dict)
                    names.append(document and document["Name"])
                expected = {"companies/1-A": "Acme", "products/1-A": "Nut", "products/2-A": "Bolt"}
                self.assertEqual([expected.get(key) for key in ids], names)
                self.assertEqual(1, len(proxy.log), proxy.log)

    def test_without_an_include_each_is_a_request(self):
        proxy, store = self.counted_session()
        with store.open_session() as session:
            order = session.load("orders/1-A", dict)
            session.load(order["Company"], dict)
        self.assertEqual(2, len(proxy.log))

    def test_two_lazy_loads_are_one_request(self):
        proxy, store = self.counted_session()
        with store.open_session() as session:
            company = session.advanced.lazily.load("companies/1-A", Item)
            order = session.advanced.lazily.load("orders/1-A", Item)
            missing = session.advanced.lazily.load("orders/404-A", Item)
            self.assertEqual([], proxy.log)
            self.assertEqual("Acme", company.value.Name)
            self.assertEqual("companies/1-A", order.value.Company)
            self.assertIsNone(missing.value)
        self.assertEqual([("POST", "/databases/Story/multi_get", 200)],
                         [(method, path.split("?")[0], status) for method, path, status in proxy.log])

    def find(self, prefix, **options):
        with self.store.open_session() as session:
            found = session.advanced.load_starting_with(prefix, dict, **options)
            return [document["n"] for document in found]

    def test_prefixes(self):
        self.assertEqual(list(range(1, 31)), self.find("invoices/"))
        self.assertEqual(list(range(1, 26)), self.find("invoices/", page_size=25))
        self.assertEqual([8, 9, 10], self.find("invoices/", start=7, page_size=3))
        self.assertEqual([7, 17, 27], self.find("invoices/2026-", matches="*7", page_size=100))
        self.assertEqual([11, 13, 15, 17, 19],
                         self.find("invoices/2026-", matches="01*", exclude="*0|*2|*4|*6|*8", page_size=100))
        self.assertEqual([11, 12], self.find("invoices/", start_after="invoices/2026-010", page_size=2))
        self.assertEqual([1], self.find("INVOICES/2026-001"))
        self.assertEqual([], self.find("nothing/"))

    def test_unchanged_answers_are_304(self):
        self.put_raw({"config/states": {"states": ["open"]}})
        proxy, store = self.counted_session()

        def load():
            with store.open_session() as session:
                return session.load("config/states", dict)["states"]

        self.assertEqual([["open"], ["open"]], [load(), load()])
        self.assertEqual([200, 304], proxy.statuses("/docs"))
        self.put_raw({"config/states": {"states": ["open", "closed"]}})
        self.assertEqual([["open", "closed"]] * 2, [load(), load()])
        self.assertEqual([200, 304, 200, 304], proxy.statuses("/docs"))

    def test_unchanged_loads_of_several_are_304(self):
        proxy, store = self.counted_session()

        def load():
            with store.open_session() as session:
                return session.load(["products/1-A", "products/2-A", "products/404-A"], dict)["products/2-A"]["Name"]

        self.assertEqual(["Bolt", "Bolt"], [load(), load()])
        self.assertEqual([200, 304], proxy.statuses("/docs"))
