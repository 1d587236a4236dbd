//! Names of people, places and firms. Frequent ones are listed, the others composed of syllables,
//! so that a long list has many rare names, as life does.

use super::random::{Random, skewed};

/// Given names, roughly from the most to the least frequent.
const GIVEN: [&str; 168] = [
    "Anna",
    "Thomas",
    "Maria",
    "Michael",
    "Peter",
    "Elisabeth",
    "Andreas",
    "Katharina",
    "Daniel",
    "Susanne",
    "Alexander",
    "Christine",
    "Stefan",
    "Sarah",
    "Martin",
    "Julia",
    "David",
    "Laura",
    "Christian",
    "Sabine",
    "Robert",
    "Claudia",
    "Markus",
    "Emma",
    "Paul",
    "Sophie",
    "Lukas",
    "Monika",
    "James",
    "Hannah",
    "William",
    "Charlotte",
    "Johannes",
    "Margaret",
    "Sebastian",
    "Barbara",
    "Patrick",
    "Helena",
    "Simon",
    "Nicole",
    "Matthew",
    "Petra",
    "Oliver",
    "Ursula",
    "Benjamin",
    "Ingrid",
    "Jonathan",
    "Birgit",
    "Nicholas",
    "Andrea",
    "Frank",
    "Eva",
    "Richard",
    "Marie",
    "Edward",
    "Alice",
    "Henry",
    "Clara",
    "George",
    "Lena",
    "Samuel",
    "Johanna",
    "Joseph",
    "Rebecca",
    "Anthony",
    "Victoria",
    "Philipp",
    "Karin",
    "Jan",
    "Franziska",
    "Erik",
    "Astrid",
    "Lars",
    "Freya",
    "Nils",
    "Ida",
    "Oskar",
    "Greta",
    "Karl",
    "Sigrid",
    "Gustav",
    "Linnea",
    "Magnus",
    "Maja",
    "Henrik",
    "Solveig",
    "Pierre",
    "Camille",
    "Louis",
    "Amélie",
    "Antoine",
    "Chloé",
    "François",
    "Margaux",
    "Étienne",
    "Geneviève",
    "Luc",
    "Hélène",
    "René",
    "Odile",
    "Marco",
    "Chiara",
    "Giovanni",
    "Francesca",
    "Luca",
    "Elena",
    "Matteo",
    "Giulia",
    "Paolo",
    "Lucia",
    "Carlos",
    "Carmen",
    "Javier",
    "Isabel",
    "Miguel",
    "Pilar",
    "Diego",
    "Teresa",
    "Pablo",
    "Inés",
    "João",
    "Beatriz",
    "Tiago",
    "Mariana",
    "Piotr",
    "Agnieszka",
    "Tomasz",
    "Zofia",
    "Krzysztof",
    "Ewa",
    "Jakub",
    "Hanna",
    "Pavel",
    "Jana",
    "Ondřej",
    "Zuzana",
    "Ferenc",
    "Ilona",
    "Ivan",
    "Milena",
    "Dragan",
    "Vesna",
    "Nikola",
    "Mira",
    "Mehmet",
    "Ayşe",
    "Mustafa",
    "Fatma",
    "Ahmed",
    "Aisha",
    "Omar",
    "Leila",
    "Yusuf",
    "Zeynep",
    "Dmitri",
    "Olga",
    "Sergei",
    "Irina",
    "Wei",
    "Mei",
    "Hiroshi",
    "Yuki",
    "Arjun",
    "Priya",
    "Nguyen",
    "Linh",
    "Kwame",
    "Abena",
];

/// What people with a given name are called. Several may share a short form.
const SHORT: [(&str, &str); 56] = [
    ("Thomas", "Tom"),
    ("Michael", "Mike"),
    ("Michael", "Michi"),
    ("Peter", "Pete"),
    ("Elisabeth", "Lisa"),
    ("Elisabeth", "Sissi"),
    ("Andreas", "Andi"),
    ("Katharina", "Kathi"),
    ("Katharina", "Kate"),
    ("Daniel", "Dan"),
    ("Susanne", "Susi"),
    ("Alexander", "Alex"),
    ("Alexander", "Sascha"),
    ("Christine", "Chris"),
    ("Stefan", "Steff"),
    ("David", "Dave"),
    ("Christian", "Chris"),
    ("Robert", "Bob"),
    ("Robert", "Rob"),
    ("Claudia", "Claudi"),
    ("Monika", "Moni"),
    ("James", "Jim"),
    ("James", "Jamie"),
    ("William", "Bill"),
    ("William", "Will"),
    ("Charlotte", "Lotte"),
    ("Johannes", "Hans"),
    ("Margaret", "Peggy"),
    ("Margaret", "Maggie"),
    ("Sebastian", "Basti"),
    ("Barbara", "Babs"),
    ("Patrick", "Pat"),
    ("Helena", "Lena"),
    ("Nicole", "Nicki"),
    ("Matthew", "Matt"),
    ("Oliver", "Olli"),
    ("Ursula", "Uschi"),
    ("Benjamin", "Ben"),
    ("Jonathan", "Jon"),
    ("Nicholas", "Nick"),
    ("Richard", "Dick"),
    ("Richard", "Rick"),
    ("Edward", "Ted"),
    ("Edward", "Eddie"),
    ("Henry", "Harry"),
    ("Samuel", "Sam"),
    ("Johanna", "Hanna"),
    ("Joseph", "Joe"),
    ("Rebecca", "Becky"),
    ("Anthony", "Tony"),
    ("Victoria", "Vicky"),
    ("Franziska", "Franzi"),
    ("Francesca", "Franca"),
    ("Giovanni", "Gianni"),
    ("Teresa", "Tess"),
    ("Tomasz", "Tomek"),
];

/// Surnames, roughly from the most to the least frequent.
const SURNAMES: [&str; 150] = [
    "Müller",
    "Smith",
    "Schmidt",
    "Jones",
    "Schneider",
    "Fischer",
    "Weber",
    "Taylor",
    "Meyer",
    "Brown",
    "Wagner",
    "Williams",
    "Becker",
    "Wilson",
    "Schulz",
    "Johnson",
    "Hoffmann",
    "Davies",
    "Schäfer",
    "Evans",
    "Koch",
    "Walker",
    "Bauer",
    "Wright",
    "Richter",
    "Robinson",
    "Klein",
    "Thompson",
    "Wolf",
    "White",
    "Schröder",
    "Hughes",
    "Neumann",
    "Edwards",
    "Schwarz",
    "Green",
    "Zimmermann",
    "Hall",
    "Braun",
    "Wood",
    "Krüger",
    "Harris",
    "Hofmann",
    "Lewis",
    "Hartmann",
    "Martin",
    "Lange",
    "Jackson",
    "Schmitt",
    "Clarke",
    "Werner",
    "Clark",
    "Krause",
    "Turner",
    "Meier",
    "Hill",
    "Lehmann",
    "Scott",
    "Schmid",
    "Cooper",
    "Schulze",
    "Morris",
    "Maier",
    "Ward",
    "Köhler",
    "Moore",
    "Herrmann",
    "King",
    "König",
    "Watson",
    "Walter",
    "Baker",
    "Mayer",
    "Harrison",
    "Huber",
    "Morgan",
    "Kaiser",
    "Patel",
    "Fuchs",
    "Young",
    "Peters",
    "Allen",
    "Lang",
    "Mitchell",
    "Scholz",
    "Anderson",
    "Möller",
    "Phillips",
    "Weiß",
    "James",
    "Jung",
    "Campbell",
    "Hahn",
    "Lee",
    "Andersson",
    "Johansson",
    "Karlsson",
    "Nilsson",
    "Eriksson",
    "Hansen",
    "Olsen",
    "Larsen",
    "Jensen",
    "Nielsen",
    "Dubois",
    "Durand",
    "Moreau",
    "Laurent",
    "Lefèvre",
    "Leroy",
    "Rossi",
    "Russo",
    "Ferrari",
    "Esposito",
    "Bianchi",
    "García",
    "Martínez",
    "López",
    "Sánchez",
    "Pérez",
    "Silva",
    "Santos",
    "Ferreira",
    "Kowalski",
    "Nowak",
    "Wiśniewski",
    "Novák",
    "Svoboda",
    "Nagy",
    "Kovács",
    "Horvat",
    "Popović",
    "Petrov",
    "Ivanov",
    "Yılmaz",
    "Kaya",
    "Demir",
    "Khan",
    "Ahmed",
    "Ali",
    "Singh",
    "Kumar",
    "Nguyen",
    "Tran",
    "Wang",
    "Li",
    "Chen",
    "Kim",
    "Okafor",
    "Mensah",
];

const STEMS: [&str; 40] = [
    "Ash", "Birk", "Brand", "Brook", "Castel", "Dal", "Dorn", "Eber", "Eck", "Falk", "Fern",
    "Gold", "Grün", "Hage", "Hart", "Hohen", "Holm", "Ingel", "Kalt", "Lang", "Linden", "Lund",
    "Marsh", "Mont", "Neu", "Nord", "Ober", "Oster", "Rams", "Reich", "Rosen", "Sand", "Stein",
    "Stock", "Sunder", "Thal", "Wald", "West", "Winter", "Zell",
];

const SURNAME_ENDS: [&str; 30] = [
    "mann", "berger", "er", "son", "sen", "ström", "quist", "bauer", "hauser", "meister", "feld",
    "heimer", "ley", "ton", "wood", "worth", "ford", "well", "hoff", "kamp", "müller", "schmidt",
    "ner", "inger", "hardt", "wald", "stein", "bach", "lund", "gren",
];

const TOWN_ENDS: [&str; 25] = [
    "berg", "burg", "dorf", "felden", "hausen", "heim", "stadt", "tal", "brück", "bach", "kirchen",
    "ford", "ton", "ham", "bury", "wick", "by", "ville", "court", "field", "haven", "mouth",
    "stead", "au", "see",
];

const STREETS: [&str; 60] = [
    "Main",
    "Church",
    "Station",
    "School",
    "High",
    "Mill",
    "Park",
    "Garden",
    "Forest",
    "Lake",
    "Meadow",
    "Market",
    "Castle",
    "Bridge",
    "Spring",
    "Hill",
    "River",
    "North",
    "South",
    "East",
    "West",
    "King",
    "Queen",
    "Victoria",
    "Albert",
    "Goethe",
    "Schiller",
    "Mozart",
    "Beethoven",
    "Bach",
    "Linden",
    "Oak",
    "Birch",
    "Ash",
    "Maple",
    "Chestnut",
    "Elm",
    "Rose",
    "Tulip",
    "Lily",
    "Chapel",
    "Abbey",
    "Tower",
    "Harbour",
    "Dock",
    "Industrial",
    "Railway",
    "Quarry",
    "Sand",
    "Stone",
    "Windmill",
    "Shepherd",
    "Baker",
    "Weaver",
    "Potter",
    "Mason",
    "Hunter",
    "Fisher",
    "Miller",
    "Smith",
];

/// Kinds of streets, with what people shorten them to.
const STREET_KINDS: [(&str, &str); 8] = [
    ("Street", "St"),
    ("Road", "Rd"),
    ("Avenue", "Ave"),
    ("Lane", "Ln"),
    ("Square", "Sq"),
    ("Drive", "Dr"),
    ("Close", "Cl"),
    ("Court", "Ct"),
];

const TRADES: [&str; 48] = [
    "Logistics",
    "Technik",
    "Tools",
    "Foods",
    "Energy",
    "Consulting",
    "Software",
    "Media",
    "Print",
    "Textil",
    "Bau",
    "Immobilien",
    "Pharma",
    "Medical",
    "Optics",
    "Elektro",
    "Metall",
    "Steel",
    "Plastics",
    "Chemie",
    "Paper",
    "Packaging",
    "Transport",
    "Shipping",
    "Travel",
    "Hotels",
    "Catering",
    "Brewery",
    "Wine",
    "Dairy",
    "Seeds",
    "Garden",
    "Furniture",
    "Glass",
    "Ceramics",
    "Paints",
    "Security",
    "Facility",
    "Cleaning",
    "Telecom",
    "Networks",
    "Data",
    "Systems",
    "Engineering",
    "Maschinenbau",
    "Automotive",
    "Leasing",
    "Insurance",
];

const LEGAL_FORMS: [&str; 10] = [
    "GmbH",
    "AG",
    "Ltd",
    "Inc",
    "AB",
    "S.A.",
    "GmbH & Co. KG",
    "B.V.",
    "KG",
    "plc",
];

/// What is paid for.
pub const GOODS: [&str; 40] = [
    "maintenance",
    "office supplies",
    "spare parts",
    "consulting",
    "licence fees",
    "rent",
    "cleaning",
    "freight",
    "customs",
    "training",
    "electricity",
    "gas",
    "water",
    "telephone",
    "hosting",
    "advertising",
    "printing",
    "packaging",
    "raw material",
    "steel sheets",
    "pallets",
    "catering",
    "travel expenses",
    "insurance premium",
    "leasing instalment",
    "security service",
    "waste disposal",
    "laboratory tests",
    "translation",
    "audit",
    "legal advice",
    "software",
    "hardware",
    "tools",
    "safety equipment",
    "fuel",
    "subscription",
    "commission",
    "deposit",
    "repair",
];

/// Names with the weights by which they are drawn.
pub struct Names {
    given: Vec<f64>,
    surnames: Vec<f64>,
    towns: Vec<f64>,
}

/// A town, as its number.
#[derive(Clone, Copy)]
pub struct Town(pub usize);

impl Names {
    /// The lists. The first ranks are flattened so that the most frequent surname is borne by about
    /// 1 % of the people, as Smith and Müller are (0.8 % in the United States' census of 2010).
    pub fn new() -> Self {
        Self {
            given: skewed(GIVEN.len(), 8.0),
            surnames: skewed(SURNAMES.len(), 15.0),
            towns: skewed(STEMS.len() * TOWN_ENDS.len(), 3.0),
        }
    }

    /// A given name.
    pub fn given(&self, random: &mut Random) -> &'static str {
        GIVEN[random.cumulative(&self.given)]
    }

    /// A surname: 45 % of people bear one of the frequent ones, the others one of 1,200 composed
    /// ones; 3 % have two with a hyphen.
    pub fn surname(&self, random: &mut Random) -> String {
        if random.chance(0.03) {
            let first = self.single_surname(random);
            return format!("{first}-{}", self.single_surname(random));
        }
        self.single_surname(random)
    }

    fn single_surname(&self, random: &mut Random) -> String {
        if random.chance(0.45) {
            SURNAMES[random.cumulative(&self.surnames)].to_owned()
        } else {
            format!("{}{}", random.pick(&STEMS), random.pick(&SURNAME_ENDS))
        }
    }

    /// A town, the large ones more often.
    pub fn town(&self, random: &mut Random) -> Town {
        Town(random.cumulative(&self.towns))
    }
}

impl Town {
    /// Its name.
    pub fn name(self) -> String {
        // A step prime to the number of towns, so that neighbours in size differ in both halves.
        let mixed = self.0 * 373 % (STEMS.len() * TOWN_ENDS.len());
        format!(
            "{}{}",
            STEMS[mixed / TOWN_ENDS.len()],
            TOWN_ENDS[mixed % TOWN_ENDS.len()]
        )
    }

    /// One of its ten postcodes, five digits.
    pub fn postcode(self, district: usize) -> String {
        format!("{:05}", 10_010 + self.0 * 80 + district % 10)
    }

    /// Its dialling code, four digits.
    pub fn dialling_code(self) -> String {
        format!("0{}", 200 + self.0 * 7 % 800)
    }
}

/// What somebody of this given name is called, where there is such a form.
pub fn short_form(given: &str, random: &mut Random) -> Option<&'static str> {
    let forms: Vec<&str> = SHORT
        .iter()
        .filter(|(full, _)| *full == given)
        .map(|(_, short)| *short)
        .collect();
    (!forms.is_empty()).then(|| *random.pick(&forms))
}

/// A street: its name and its kind, as an index for [`street_kind`].
pub fn street(random: &mut Random) -> (String, usize) {
    let name = if random.chance(0.6) {
        (*random.pick(&STREETS)).to_owned()
    } else {
        format!("{}{}", random.pick(&STEMS), random.pick(&TOWN_ENDS))
    };
    (name, random.below(STREET_KINDS.len()))
}

/// The kind of a street, in full or shortened.
pub fn street_kind(kind: usize, short: bool) -> &'static str {
    let (full, abbreviated) = STREET_KINDS[kind % STREET_KINDS.len()];
    if short { abbreviated } else { full }
}

/// The name of a firm without its legal form. Many share a first or a last word.
pub fn firm(random: &mut Random) -> String {
    let founder = if random.chance(0.3) {
        (*random.pick(&SURNAMES)).to_owned()
    } else {
        format!("{}{}", random.pick(&STEMS), random.pick(&SURNAME_ENDS))
    };
    match random.below(10) {
        0 => format!("{founder} & {}", random.pick(&SURNAMES)),
        1 => format!(
            "{founder} {} {}",
            random.pick(&TRADES),
            random.pick(&TRADES)
        ),
        _ => format!("{founder} {}", random.pick(&TRADES)),
    }
}

/// A legal form.
pub fn legal_form(random: &mut Random) -> &'static str {
    random.pick::<&str>(&LEGAL_FORMS)
}

/// The text in the basic Latin letters that payment systems carry: `ü` becomes `ue`, `é` becomes
/// `e`; a letter that has no such form is left out.
pub fn basic_latin(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            'á' | 'ã' => plain.push('a'),
            'ć' | 'ç' => plain.push('c'),
            'é' | 'è' => plain.push('e'),
            'É' => plain.push('E'),
            'í' | 'ı' => plain.push('i'),
            'ñ' => plain.push('n'),
            'ó' => plain.push('o'),
            'ř' => plain.push('r'),
            'ş' | 'ś' => plain.push('s'),
            '&' => plain.push('+'),
            letter if letter.is_ascii() => plain.push(letter),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::random::Subject;
    use super::*;

    #[test]
    fn towns_differ_in_name_and_postcode() {
        let towns = || (0..STEMS.len() * TOWN_ENDS.len()).map(Town);
        let names: HashSet<String> = towns().map(Town::name).collect();
        let postcodes: HashSet<String> = towns().map(|town| town.postcode(3)).collect();
        assert_eq!((names.len(), postcodes.len()), (1000, 1000));
        assert!(postcodes.iter().all(|postcode| postcode.len() == 5));
    }

    #[test]
    fn every_letter_of_the_lists_has_a_basic_form() {
        for name in GIVEN
            .iter()
            .chain(&SURNAMES)
            .chain(&STEMS)
            .chain(&SURNAME_ENDS)
        {
            let plain = basic_latin(name);
            assert!(
                plain.is_ascii() && plain.len() >= name.chars().count(),
                "{name}"
            );
        }
    }

    #[test]
    fn short_forms_belong_to_listed_names() {
        for (full, short) in SHORT {
            assert!(GIVEN.contains(&full), "{full}");
            assert_ne!(full, short);
        }
    }

    #[test]
    fn the_most_frequent_surname_is_borne_by_about_one_in_a_hundred() {
        let names = Names::new();
        let mut random = Random::new(1, Subject::Person, 0);
        let first = (0..100_000)
            .filter(|_| names.surname(&mut random) == SURNAMES[0])
            .count();
        assert!((800..1_500).contains(&first), "{first}");
    }
}
