"""Which words are known to be meant otherwise, and which are known at all (data, no logic)."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


SECTORS = _words(
    "agriculture, automotive, construction, consulting, education, employment, energy, "
    "entertainment, finance, government, healthcare, hospitality, insurance, legal, logistics, "
    "manufacturing, marketing, media, medical, mining, pharmaceuticals, real estate, retail, "
    "services, software, technology, telecommunications, transportation, travel, utilities"
)

# Common English names. “Korea” and “Congo” are missing on purpose: each could be one of two.
COUNTRIES = _words(
    "Afghanistan, Albania, Algeria, Andorra, Angola, Argentina, Armenia, Australia, Austria, "
    "Azerbaijan, Bahamas, Bahrain, Bangladesh, Barbados, Belarus, Belgium, Belize, Benin, "
    "Bhutan, Bolivia, Bosnia and Herzegovina, Botswana, Brazil, Brunei, Bulgaria, "
    "Burkina Faso, Burundi, Cambodia, Cameroon, Canada, Cape Verde, Chad, Chile, China, "
    "Colombia, Costa Rica, Croatia, Cuba, Cyprus, Czechia, Denmark, Djibouti, Dominica, "
    "Dominican Republic, Ecuador, Egypt, El Salvador, Eritrea, Estonia, Eswatini, Ethiopia, "
    "Fiji, Finland, France, Gabon, Gambia, Georgia, Germany, Ghana, Greece, Grenada, "
    "Guatemala, Guinea, Guyana, Haiti, Honduras, Hong Kong, Hungary, Iceland, India, "
    "Indonesia, Iran, Iraq, Ireland, Israel, Italy, Ivory Coast, Jamaica, Japan, Jordan, "
    "Kazakhstan, Kenya, Kuwait, Kyrgyzstan, Laos, Latvia, Lebanon, Lesotho, Liberia, Libya, "
    "Liechtenstein, Lithuania, Luxembourg, Madagascar, Malawi, Malaysia, Maldives, Mali, "
    "Malta, Mauritania, Mauritius, Mexico, Moldova, Monaco, Mongolia, Montenegro, Morocco, "
    "Mozambique, Myanmar, Namibia, Nepal, Netherlands, New Zealand, Nicaragua, Niger, "
    "Nigeria, North Korea, North Macedonia, Norway, Oman, Pakistan, Panama, "
    "Papua New Guinea, Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania, "
    "Russia, Rwanda, Samoa, San Marino, Saudi Arabia, Senegal, Serbia, Seychelles, "
    "Sierra Leone, Singapore, Slovakia, Slovenia, Somalia, South Africa, South Korea, "
    "South Sudan, Spain, Sri Lanka, Sudan, Suriname, Sweden, Switzerland, Syria, Taiwan, "
    "Tajikistan, Tanzania, Thailand, Togo, Tonga, Trinidad and Tobago, Tunisia, Turkey, "
    "Turkmenistan, Uganda, Ukraine, United Arab Emirates, United Kingdom, United States, "
    "Uruguay, Uzbekistan, Vanuatu, Venezuela, Vietnam, Yemen, Zambia, Zimbabwe"
)
