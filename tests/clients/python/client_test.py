"""Refunds orders with a generated client, against running services.

Run by tests/clients.rs, which generates the stubs as docs/clients.md says and puts them on the path,
together with that page's example as the module refund_order. Everything here goes over real gRPC.
"""

import os
import time
import unittest
import uuid
from concurrent import futures

import grpc
import refund_order as example
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redress.refunds.v1 import refund_pb2, refund_pb2_grpc

ADDRESS = os.environ["REDRESS_REFUNDS"]
# A service of the tenant's company: it refunds, and may not list.
SERVICE = os.environ["REDRESS_TOKEN"]
# The tenant's platform, which may list.
PLATFORM = os.environ["REDRESS_PLATFORM_TOKEN"]
ORDERS = os.environ["REDRESS_ORDERS"].split()

REFUNDS = "redress.refunds.v1.RefundService"
TIMEOUT_S = 30


def headers(token):
    return (("authorization", f"Bearer {token}"),)


def eventually(what, probe):
    """Asks until the answer is not None; the payment happens in another process."""
    deadline = time.monotonic() + TIMEOUT_S
    while (found := probe()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {TIMEOUT_S} s for {what}")
        time.sleep(0.05)
    return found


class Refunds(unittest.TestCase):
    """Every order is refunded once, before the first test."""

    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(ADDRESS)
        cls.addClassCleanup(cls.channel.close)
        cls.stub = refund_pb2_grpc.RefundServiceStub(cls.channel)
        cls.ids = {order: str(uuid.uuid4()) for order in ORDERS}
        cls.refunds = {order: cls.refund(order) for order in ORDERS}

    @classmethod
    def refund(cls, order):
        return example.refund_order(cls.stub, SERVICE, order, cls.ids[order])

    def assert_refused(self, code, reason, method, request, token):
        """The call is refused for this reason; returns the error."""
        with self.assertRaises(grpc.RpcError) as caught:
            method(request, timeout=5, metadata=headers(token) if token else None)
        self.assertEqual(caught.exception.code(), code)
        info = example.detail(caught.exception, error_details_pb2.ErrorInfo)
        self.assertEqual((info.domain, info.reason), ("redress.dev", reason))
        return caught.exception

    def test_each_refund_is_paid(self):
        for order, refund in self.refunds.items():

            def paid(name=refund.name):
                request = refund_pb2.GetRefundRequest(name=name)
                found = self.stub.GetRefund(request, timeout=5, metadata=headers(SERVICE))
                self.assertNotEqual(found.state, refund_pb2.Refund.ATTENTION, found)
                return found if found.state == refund_pb2.Refund.SUCCEEDED else None

            found = eventually(f"{refund.name} to be paid", paid)
            self.assertEqual(found.order, order)
            self.assertEqual(found.issued, refund.requested)
            self.assertGreater(found.issued.minor_units, 0)
            self.assertTrue(found.attempts[0].provider_reference.startswith("re_"), found)

    def test_the_same_request_is_answered_as_before(self):
        for order, refund in self.refunds.items():
            again = self.refund(order)
            self.assertEqual((again.name, again.requested), (refund.name, refund.requested))

    def test_a_request_id_belongs_to_its_body(self):
        order, request_id = next(iter(self.ids.items()))
        other = refund_pb2.CreateRefundRequest(
            quote="quotes/another", request_id=request_id, entitlement_voided=True
        )
        error = self.assert_refused(
            grpc.StatusCode.INVALID_ARGUMENT,
            "REQUEST_ID_REUSED",
            self.stub.CreateRefund,
            other,
            SERVICE,
        )
        bad = example.detail(error, error_details_pb2.BadRequest)
        self.assertEqual([each.field for each in bad.field_violations], ["request_id"], order)

    def test_nobody_calls_without_a_token_or_without_the_role(self):
        get = refund_pb2.GetRefundRequest(name=self.refunds[ORDERS[0]].name)
        self.assert_refused(
            grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING", self.stub.GetRefund, get, None
        )
        self.assert_refused(
            grpc.StatusCode.PERMISSION_DENIED,
            "ROLE_NOT_ALLOWED",
            self.stub.ListRefunds,
            refund_pb2.ListRefundsRequest(),
            SERVICE,
        )

    def test_pages_hold_every_refund_once(self):
        names, totals, token = [], [], ""
        while True:
            request = refund_pb2.ListRefundsRequest(page_size=1, page_token=token)
            page = self.stub.ListRefunds(request, timeout=5, metadata=headers(PLATFORM))
            names += [refund.name for refund in page.refunds]
            totals.append(page.total_size)
            token = page.next_page_token
            if not token:
                break
        self.assertCountEqual(names, [refund.name for refund in self.refunds.values()])
        self.assertEqual(totals[0], len(ORDERS))

    def test_health_is_told_without_a_token(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for service in ["", REFUNDS]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING, service)


class Faltering(refund_pb2_grpc.RefundServiceServicer):
    """Answers the first two calls with a loss."""

    def __init__(self):
        self.seen = []

    def CreateRefund(self, request, context):
        self.seen.append(request)
        if len(self.seen) < 3:
            context.abort(grpc.StatusCode.UNAVAILABLE, "lost")
        return refund_pb2.Refund(name="refunds/1")


class Repetitions(unittest.TestCase):
    """The example's own rule for calling again, against a server that falters."""

    def test_a_lost_answer_is_asked_for_again_with_the_same_body(self):
        faltering = Faltering()
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
        refund_pb2_grpc.add_RefundServiceServicer_to_server(faltering, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        self.addCleanup(lambda: server.stop(None).wait())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = refund_pb2_grpc.RefundServiceStub(channel)
            request = refund_pb2.CreateRefundRequest(quote="quotes/1", request_id="1")
            answer = example.call(stub.CreateRefund, request, SERVICE)
        self.assertEqual(answer.name, "refunds/1")
        self.assertEqual(faltering.seen, [request] * 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
