"""A sales report out of an SQLite database in memory: a join, a grouping, a window function."""

import sqlite3

PRODUCTS = [(1, "Tea", 350), (2, "Coffee", 480), (3, "Cocoa", 520), (4, "Lemonade", 290)]
SALES = [(day, 1 + (day * 7 + shop * 3) % 4, shop, 1 + (day * shop) % 5) for day in range(1, 31) for shop in (1, 2, 3)]

REPORT = """
    WITH totals AS (
        SELECT product.name, sum(sale.amount) AS pieces, sum(sale.amount * product.cents) AS cents
        FROM sale JOIN product ON product.id = sale.product
        GROUP BY product.id
    )
    SELECT rank() OVER (ORDER BY cents DESC), name, pieces, cents, 100.0 * cents / sum(cents) OVER ()
    FROM totals ORDER BY cents DESC, name
"""

database = sqlite3.connect(":memory:")
database.execute("CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, cents INTEGER)")
database.execute("CREATE TABLE sale (day INTEGER, product INTEGER REFERENCES product, shop INTEGER, amount INTEGER)")
database.executemany("INSERT INTO product VALUES (?, ?, ?)", PRODUCTS)
database.executemany("INSERT INTO sale VALUES (?, ?, ?, ?)", SALES)

print(f"{'#':>2}  {'product':10} {'pieces':>6} {'revenue':>10} {'share':>7}")
for rank, name, pieces, cents, share in database.execute(REPORT):
    print(f"{rank:2}  {name:10} {pieces:6} {cents / 100:10.2f} {share:6.1f}%")

best = "SELECT shop, sum(amount) AS pieces FROM sale GROUP BY shop ORDER BY pieces DESC, shop LIMIT 1"
print("Busiest shop: {} with {} pieces".format(*database.execute(best).fetchone()))
