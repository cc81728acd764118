"""Names, places and troubles that the demo company’s records are made of (data)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A city, its country, and the beginning of its telephone numbers."""

    city: str
    country: str
    dial: str


PLACES = (
    Place("Berlin", "Germany", "+49 30 555"),
    Place("Lisbon", "Portugal", "+351 21 555"),
    Place("Gothenburg", "Sweden", "+46 31 555"),
    Place("Lyon", "France", "+33 4 72 55"),
    Place("Kraków", "Poland", "+48 12 555"),
    Place("Manchester", "United Kingdom", "+44 161 496"),
    Place("Toronto", "Canada", "+1 416 555"),
    Place("Austin", "United States", "+1 512 555"),
    Place("São Paulo", "Brazil", "+55 11 5555"),
    Place("Nairobi", "Kenya", "+254 20 555"),
    Place("Osaka", "Japan", "+81 6 5550"),
    Place("Pune", "India", "+91 20 5550"),
)
COMPANIES = (
    ("Nordlicht Energie", "energy"),
    ("Casa Verde Hotels", "hospitality"),
    ("Havsvik Shipping", "logistics"),
    ("Atelier Moreau", "retail"),
    ("Wisła Robotics", "manufacturing"),
    ("Pennine Foods", "retail"),
    ("Maple Ridge Health", "healthcare"),
    ("Lone Star Cycles", "retail"),
    ("Ipanema Media", "media"),
    ("Savanna Solar", "energy"),
    ("Kansai Optics", "manufacturing"),
    ("Deccan Textiles", "manufacturing"),
    ("Alster Insurance", "insurance"),
    ("Tejo Logistics", "logistics"),
    ("Björk & Sons", "construction"),
    ("Rhône Pharma", "pharmaceuticals"),
    ("Tatra Travel", "travel"),
    ("Salford Software", "software"),
    ("Harbourfront Legal", "legal"),
    ("Mesa Semiconductors", "technology"),
    ("Pampa Agro", "agriculture"),
    ("Rift Valley Coffee", "agriculture"),
    ("Sakura Publishing", "media"),
    ("Malabar Spices", "retail"),
    ("Spree Mobility", "transportation"),
    ("Porto Ceramics", "manufacturing"),
    ("Skärgård Furniture", "retail"),
    ("Lumière Studios", "entertainment"),
    ("Baltic Telecom", "telecommunications"),
    ("Irwell Consulting", "consulting"),
    ("Great Lakes Mining", "mining"),
    ("Bluebonnet Schools", "education"),
    ("Carioca Fintech", "finance"),
    ("Uhuru Airlines", "travel"),
    ("Naniwa Games", "entertainment"),
    ("Ganges Water", "utilities"),
    ("Kiez Coworking", "real estate"),
    ("Alfama Fisheries", "agriculture"),
    ("Polaris Diagnostics", "medical"),
    ("Quartier Security", "services"),
)
FIRST_NAMES = (
    "Anna Bruno Chiara Dmitri Elif Farid Grace Haruto Isabel Jamal Karin Lukas Mei Nadia Oskar "
    "Paula Quentin Rosa Sanjay Tariq Ulla Viktor Wanjiru Ximena Yusuf Zofia Amadou Beatriz "
    "Ciarán Dalia"
)
LAST_NAMES = (
    "Abara Bianchi Castro Dahl Eriksen Fischer Gupta Haddad Ivanova Jansen Kimura Lopes Mbeki "
    "Novák Okafor Park Quispe Rossi Silva Tan Usman Vargas Weber Xu Yamamoto Zhang Ahmed Blanc "
    "Çelik Dupont"
)
JOBS = (
    "Head of Purchasing",
    "Chief Financial Officer",
    "IT Manager",
    "Office Manager",
    "Operations Director",
    "Buyer",
    "Founder",
    "Facility Manager",
)
PRODUCTS = ("Desk One", "Desk Pro", "Fleet Care", "Signal Hub", "Signal Hub XL", "Support Plus")
OCCASIONS = ("first order", "new branch", "annual licence", "expansion", "replacement", "pilot")
TROUBLES = (
    "Invoice shows the wrong address",
    "Delivery arrived one box short",
    "Cannot reset the password",
    "Device does not switch on",
    "Question about the warranty",
    "Report is empty since Monday",
    "Wants to change the payment date",
    "Screen flickers after the update",
    "Asks for a data processing agreement",
    "Return label is missing",
    "Wrong colour delivered",
    "Needs a copy of the contract",
    "Battery lasts an hour only",
    "Cancel the second licence",
    "Import stops at the last row",
    "New contact for billing",
    "Cable is too short",
    "Training for five new people",
    "Credit note has not arrived",
    "Sync with the calendar fails",
)
