"""Ids the server takes part in: ranges for clients (HiLo) and identities."""

import threading

from ravendb import GetIdentitiesOperation, NextIdentityForOperation, SeedIdentityForOperation

from harness import Story, open_store, send


class Ticket:
    def __init__(self, n=None):
        self.n = n


class Coupon(Ticket):
    pass


class Numbering(Story):
    def hilo_max(self, tag):
        answer = send(self.server.url, "GET", f"/databases/Story/docs?id=Raven%2FHilo%2F{tag}")
        return answer.json["Results"][0]["Max"]

    def test_two_clients_at_once_never_give_out_the_same_id(self):
        ids, failures = [], []

        def fill():
            try:
                store = open_store(self.server.url, "Story")
                for _ in range(10):
                    with store.open_session() as session:
                        tickets = [Ticket(n) for n in range(30)]
                        for ticket in tickets:
                            session.store(ticket)
                        session.save_changes()
                        ids.extend(session.advanced.get_document_id(ticket) for ticket in tickets)
                store.close()
            except BaseException as error:
                failures.append(error)

        clients = [threading.Thread(target=fill) for _ in range(2)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual([], failures)
        self.assertEqual((600, 600), (len(ids), len(set(ids))))
        for key in ids:
            self.assertRegex(key, r"^tickets/[1-9]\d*-A$")

    def test_an_unused_rest_is_given_back(self):
        store = open_store(self.server.url, "Story")
        with store.open_session() as session:
            session.store(Coupon(1))
            session.store(Coupon(2))
            session.save_changes()
        self.assertEqual(32, self.hilo_max("coupons"))
        store.close()
        self.assertEqual(2, self.hilo_max("coupons"))

    def add(self, prefix, count):
        with self.store.open_session() as session:
            tickets = [Ticket(n) for n in range(count)]
            for ticket in tickets:
                session.store(ticket, prefix)
                session.save_changes()
            return [session.advanced.get_document_id(ticket) for ticket in tickets]

    def test_identities(self):
        self.assertEqual(["companies/1", "companies/2", "companies/3"], self.add("companies|", 3))
        self.assertEqual(4, self.store.maintenance.send(NextIdentityForOperation("companies|")))
        self.assertEqual(100, self.store.maintenance.send(SeedIdentityForOperation("companies|", 100)))
        self.assertEqual(["companies/101"], self.add("companies|", 1))
        self.assertEqual(101, self.store.maintenance.send(SeedIdentityForOperation("companies|", 7)))
        self.assertEqual(7, self.store.maintenance.send(SeedIdentityForOperation("companies|", 7, True)))
        self.assertEqual(7, self.store.maintenance.send(GetIdentitiesOperation())["companies|"])

    def test_an_identity_never_overwrites(self):
        self.put({"people/1": Ticket("first"), "people/2": Ticket("first")})
        self.assertEqual(["people/3"], self.add("people|", 1))
        with self.store.open_session() as session:
            self.assertEqual("first", session.load("people/1", Ticket).n)
