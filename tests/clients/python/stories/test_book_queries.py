"""Siblings, grandchildren, a comment deep in its tree, everybody below a department, and how many
orders a customer has."""

from ravendb import IndexDefinition, PutIndexesOperation

from harness import Story


class Book(Story):
    def write(self, documents):
        self.put_raw({
            id: {**content, "@metadata": {"@collection": collection}}
            for id, (collection, content) in documents.items()
        })

    def ask(self, text):
        with self.store.open_session() as session:
            return list(session.advanced.raw_query(text, dict).wait_for_non_stale_results())

    def names(self, text):
        return sorted(it["Name"] for it in self.ask(text))

    def define(self, name, map, reduce=None):
        self.store.maintenance.send(PutIndexesOperation(IndexDefinition(name=name, maps=[map], reduce=reduce)))

    def test_children_are_found_by_whom_they_name(self):
        child = lambda name, mother, grandparents: (
            "Children", {"Name": name, "MotherId": mother, "Grandparents": grandparents})
        self.write({
            "children/1-A": child("Nea", "parents/1923-A", ["parents/1924-A"]),
            "children/2-A": child("Ole", "parents/1923-A", ["parents/1924-A", "parents/1923-A"]),
            "children/3-A": child("Pia", "parents/1924-A", []),
        })
        self.assertEqual(self.names("from Children where MotherId = 'parents/1923-A'"), ["Nea", "Ole"])
        self.assertEqual(self.names("from Children where Grandparents[] in ('parents/1923-A')"), ["Ole"])

    def test_a_comment_twenty_answers_deep_is_found(self):
        comments = []
        for depth in range(20, 0, -1):
            comments = [{"Author": f"author {depth}", "Comments": comments}]
        self.write({"posts/1-A": ("Posts", {"Author": "author 0", "Comments": comments})})
        self.define("Posts/ByCommentAuthor",
                    "from post in docs.Posts from comment in Recurse(post, x => x.Comments) select new { comment.Author }")
        for author, count in [("author 20", 1), ("author 7", 1), ("author 21", 0)]:
            found = self.ask(f"from index 'Posts/ByCommentAuthor' where Author = '{author}'")
            self.assertEqual(len(found), count, author)

    def test_departments_are_found_below_others(self):
        department = lambda name, parent: ("Departments", {"Name": name, "ParentId": parent})
        self.write({
            "departments/1-A": department("All", None),
            "departments/2-A": department("Research", "departments/1-A"),
            "departments/3-A": department("Lasers", "departments/2-A"),
            "departments/4-A": department("Sales", "departments/1-A"),
        })
        self.define("Departments/Below",
                    'from d in docs.Departments select new { Above = Recurse(d, x => LoadDocument(x.ParentId, "Departments")).Select(x => x.ParentId) }')
        below = lambda id: self.names(f"from index 'Departments/Below' where Above = '{id}'")
        self.assertEqual(below("departments/1-A"), ["Lasers", "Research", "Sales"])
        self.assertEqual(below("departments/2-A"), ["Lasers"])
        self.write({"departments/3-A": department("Lasers", "departments/4-A")})
        self.assertEqual(below("departments/2-A"), [])
        self.assertEqual(below("departments/4-A"), ["Lasers"])

    def test_orders_are_counted_by_customer(self):
        self.write({f"orders/{at}-A": ("Orders", {"Company": "companies/1-A"}) for at in range(3)})
        self.define("Orders/ByCompany", "map('Orders', o => ({ Company: o.Company, NumberOfOrders: 1 }))",
                    "groupBy(x => x.Company).aggregate(g => ({ Company: g.key, NumberOfOrders: g.values.reduce((s, x) => s + x.NumberOfOrders, 0) }))")
        for count in (3, 4):
            [fixed] = self.ask("from index 'Orders/ByCompany' where Company = 'companies/1-A'")
            [dynamic] = self.ask("from Orders group by Company where Company = 'companies/1-A' select count() as NumberOfOrders")
            self.assertEqual((fixed["NumberOfOrders"], dynamic["NumberOfOrders"]), (count, count))
            self.write({"orders/9-A": ("Orders", {"Company": "companies/1-A"})})
