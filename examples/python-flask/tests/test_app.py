import os
import unittest
from unittest import mock

import app


class Greeting(unittest.TestCase):
    def test_names_the_visitor(self):
        self.assertEqual(app.greeting("Ada", 3), "Hello, Ada! Visit number 3.\n")

    def test_counts_in_the_database(self):
        connection = mock.MagicMock()
        connection.__enter__.return_value.execute.return_value.fetchone.return_value = (7,)
        with mock.patch.object(app, "connect", return_value=connection):
            answer = app.app.test_client().get("/?name=Ada")
        self.assertEqual((answer.status_code, answer.text), (200, "Hello, Ada! Visit number 7.\n"))

    def test_is_not_found_elsewhere(self):
        self.assertEqual(app.app.test_client().get("/admin").status_code, 404)


if __name__ == "__main__":
    unittest.main()
