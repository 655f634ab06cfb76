"""A library asks for its books: by field, in order, by words, by group, and right after a save."""

from harness import Story
from ravendb.documents.indexes.definitions import IndexDefinition
from ravendb.documents.operations.indexes import (
    GetIndexesOperation,
    GetIndexOperation,
    GetIndexStatisticsOperation,
    PutIndexesOperation,
)


class Book:
    def __init__(self, title=None, pages=None, author=None):
        self.title = title
        self.pages = pages
        self.author = author


class Queries(Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        story = cls()
        with story.store.open_session() as session:
            session.store(Book("The sea and the wind", 310, "authors/1"), "books/1")
            session.store(Book("A short history of wind", 95, "authors/2"), "books/2")
            session.store(Book("Bread", 120, "authors/1"), "books/3")
            session.save_changes()

    def titles(self, build):
        with self.store.open_session() as session:
            query = session.query(object_type=Book).wait_for_non_stale_results()
            return [book.title for book in build(query)]

    def test_books_are_found_by_field_and_in_order(self):
        found = self.titles(lambda q: q.where_equals("author", "authors/1").order_by("title"))
        self.assertEqual(found, ["Bread", "The sea and the wind"])
        found = self.titles(lambda q: q.where_greater_than("pages", 100).order_by_descending("pages"))
        self.assertEqual(found, ["The sea and the wind", "Bread"])
        found = self.titles(lambda q: q.where_starts_with("title", "a short"))
        self.assertEqual(found, ["A short history of wind"])

    def test_words_are_searched(self):
        found = self.titles(lambda q: q.search("title", "wind"))
        self.assertEqual(sorted(found), ["A short history of wind", "The sea and the wind"])

    def test_books_are_counted_by_author(self):
        with self.store.open_session() as session:
            rql = "from Books group by author order by count() desc select key() as author, count() as count, sum(pages) as pages"
            groups = list(session.advanced.raw_query(rql, dict).wait_for_non_stale_results())
        self.assertEqual([(it["author"], it["count"], it["pages"]) for it in groups],
                         [("authors/1", 2, 430), ("authors/2", 1, 95)])

    def test_a_write_is_seen_by_the_query_that_waits_for_it(self):
        for pages in range(5):
            with self.store.open_session() as session:
                session.store(Book("Diary", 1000 + pages, "authors/3"), "books/diary")
                session.save_changes()
            found = self.titles(lambda q: q.where_equals("pages", 1000 + pages))
            self.assertEqual(found, ["Diary"])
        with self.store.open_session() as session:
            session.delete("books/diary")
            session.save_changes()

    def test_a_long_answer_comes_one_by_one(self):
        self.titles(lambda q: q.order_by("title"))
        known = []
        with self.store.open_session() as session:
            query = session.query(object_type=Book).where_greater_than("pages", 100).order_by("title")
            streamed = [it.document.title for it in session.advanced.stream_with_statistics(query, known.append)]
            self.assertEqual(streamed, ["Bread", "The sea and the wind"])
            rql = "from Books where pages > 0 filter pages < 200 limit 1, 5"
            filtered = [it for it in session.advanced.stream(session.advanced.raw_query(rql, Book))]
            self.assertEqual(len(filtered), 1)
        [stats] = known
        self.assertEqual((stats.total_results, stats.is_stale), (2, False))

    def test_definitions_and_figures_of_an_index_are_read(self):
        text = "map('Books', function (b) { return { author: b.author }; })"
        self.store.maintenance.send(PutIndexesOperation(IndexDefinition(name="Books/ByAuthor", maps={text})))
        with self.store.open_session() as session:
            rql = "from index 'Books/ByAuthor' where author = 'authors/2'"
            self.assertEqual(len(list(session.advanced.raw_query(rql, Book).wait_for_non_stale_results())), 1)
        definition = self.store.maintenance.send(GetIndexOperation("Books/ByAuthor"))
        self.assertEqual((definition.name, list(definition.maps)), ("Books/ByAuthor", [text]))
        names = [it.name for it in self.store.maintenance.send(GetIndexesOperation(0, 100))]
        self.assertIn("Books/ByAuthor", names)
        figures = self.store.maintenance.send(GetIndexStatisticsOperation("Books/ByAuthor"))
        self.assertEqual((figures.map_attempts, figures.map_errors, figures.entries_count), (3, 0, 3))
        self.assertEqual(list(figures.collections), ["Books"])
        self.assertIsNone(figures.reduced_per_second_rate)
