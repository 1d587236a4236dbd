//! The lists.

/// Given names, roughly from the most to the least frequent.
#[rustfmt::skip]
pub const GIVEN: [&str; 168] = [
    "Anna", "Thomas", "Maria", "Michael", "Peter", "Elisabeth", "Andreas", "Katharina", "Daniel",
    "Susanne", "Alexander", "Christine", "Stefan", "Sarah", "Martin", "Julia", "David", "Laura",
    "Christian", "Sabine", "Robert", "Claudia", "Markus", "Emma", "Paul", "Sophie", "Lukas",
    "Monika", "James", "Hannah", "William", "Charlotte", "Johannes", "Margaret", "Sebastian",
    "Barbara", "Patrick", "Helena", "Simon", "Nicole", "Matthew", "Petra", "Oliver", "Ursula",
    "Benjamin", "Ingrid", "Jonathan", "Birgit", "Nicholas", "Andrea", "Frank", "Eva", "Richard",
    "Marie", "Edward", "Alice", "Henry", "Clara", "George", "Lena", "Samuel", "Johanna", "Joseph",
    "Rebecca", "Anthony", "Victoria", "Philipp", "Karin", "Jan", "Franziska", "Erik", "Astrid",
    "Lars", "Freya", "Nils", "Ida", "Oskar", "Greta", "Karl", "Sigrid", "Gustav", "Linnea",
    "Magnus", "Maja", "Henrik", "Solveig", "Pierre", "Camille", "Louis", "Amélie", "Antoine",
    "Chloé", "François", "Margaux", "Étienne", "Geneviève", "Luc", "Hélène", "René", "Odile",
    "Marco", "Chiara", "Giovanni", "Francesca", "Luca", "Elena", "Matteo", "Giulia", "Paolo",
    "Lucia", "Carlos", "Carmen", "Javier", "Isabel", "Miguel", "Pilar", "Diego", "Teresa",
    "Pablo", "Inés", "João", "Beatriz", "Tiago", "Mariana", "Piotr", "Agnieszka", "Tomasz",
    "Zofia", "Krzysztof", "Ewa", "Jakub", "Hanna", "Pavel", "Jana", "Ondřej", "Zuzana", "Ferenc",
    "Ilona", "Ivan", "Milena", "Dragan", "Vesna", "Nikola", "Mira", "Mehmet", "Ayşe", "Mustafa",
    "Fatma", "Ahmed", "Aisha", "Omar", "Leila", "Yusuf", "Zeynep", "Dmitri", "Olga", "Sergei",
    "Irina", "Wei", "Mei", "Hiroshi", "Yuki", "Arjun", "Priya", "Nguyen", "Linh", "Kwame",
    "Abena",
];

/// What people with a given name are called. Several may share a short form.
#[rustfmt::skip]
pub const SHORT: [(&str, &str); 56] = [
    ("Thomas", "Tom"), ("Michael", "Mike"), ("Michael", "Michi"), ("Peter", "Pete"),
    ("Elisabeth", "Lisa"), ("Elisabeth", "Sissi"), ("Andreas", "Andi"), ("Katharina", "Kathi"),
    ("Katharina", "Kate"), ("Daniel", "Dan"), ("Susanne", "Susi"), ("Alexander", "Alex"),
    ("Alexander", "Sascha"), ("Christine", "Chris"), ("Stefan", "Steff"), ("David", "Dave"),
    ("Christian", "Chris"), ("Robert", "Bob"), ("Robert", "Rob"), ("Claudia", "Claudi"),
    ("Monika", "Moni"), ("James", "Jim"), ("James", "Jamie"), ("William", "Bill"),
    ("William", "Will"), ("Charlotte", "Lotte"), ("Johannes", "Hans"), ("Margaret", "Peggy"),
    ("Margaret", "Maggie"), ("Sebastian", "Basti"), ("Barbara", "Babs"), ("Patrick", "Pat"),
    ("Helena", "Lena"), ("Nicole", "Nicki"), ("Matthew", "Matt"), ("Oliver", "Olli"),
    ("Ursula", "Uschi"), ("Benjamin", "Ben"), ("Jonathan", "Jon"), ("Nicholas", "Nick"),
    ("Richard", "Dick"), ("Richard", "Rick"), ("Edward", "Ted"), ("Edward", "Eddie"),
    ("Henry", "Harry"), ("Samuel", "Sam"), ("Johanna", "Hanna"), ("Joseph", "Joe"),
    ("Rebecca", "Becky"), ("Anthony", "Tony"), ("Victoria", "Vicky"), ("Franziska", "Franzi"),
    ("Francesca", "Franca"), ("Giovanni", "Gianni"), ("Teresa", "Tess"), ("Tomasz", "Tomek"),
];

/// Surnames, roughly from the most to the least frequent.
#[rustfmt::skip]
pub const SURNAMES: [&str; 150] = [
    "Müller", "Smith", "Schmidt", "Jones", "Schneider", "Fischer", "Weber", "Taylor", "Meyer",
    "Brown", "Wagner", "Williams", "Becker", "Wilson", "Schulz", "Johnson", "Hoffmann", "Davies",
    "Schäfer", "Evans", "Koch", "Walker", "Bauer", "Wright", "Richter", "Robinson", "Klein",
    "Thompson", "Wolf", "White", "Schröder", "Hughes", "Neumann", "Edwards", "Schwarz", "Green",
    "Zimmermann", "Hall", "Braun", "Wood", "Krüger", "Harris", "Hofmann", "Lewis", "Hartmann",
    "Martin", "Lange", "Jackson", "Schmitt", "Clarke", "Werner", "Clark", "Krause", "Turner",
    "Meier", "Hill", "Lehmann", "Scott", "Schmid", "Cooper", "Schulze", "Morris", "Maier", "Ward",
    "Köhler", "Moore", "Herrmann", "King", "König", "Watson", "Walter", "Baker", "Mayer",
    "Harrison", "Huber", "Morgan", "Kaiser", "Patel", "Fuchs", "Young", "Peters", "Allen", "Lang",
    "Mitchell", "Scholz", "Anderson", "Möller", "Phillips", "Weiß", "James", "Jung", "Campbell",
    "Hahn", "Lee", "Andersson", "Johansson", "Karlsson", "Nilsson", "Eriksson", "Hansen", "Olsen",
    "Larsen", "Jensen", "Nielsen", "Dubois", "Durand", "Moreau", "Laurent", "Lefèvre", "Leroy",
    "Rossi", "Russo", "Ferrari", "Esposito", "Bianchi", "García", "Martínez", "López", "Sánchez",
    "Pérez", "Silva", "Santos", "Ferreira", "Kowalski", "Nowak", "Wiśniewski", "Novák", "Svoboda",
    "Nagy", "Kovács", "Horvat", "Popović", "Petrov", "Ivanov", "Yılmaz", "Kaya", "Demir", "Khan",
    "Ahmed", "Ali", "Singh", "Kumar", "Nguyen", "Tran", "Wang", "Li", "Chen", "Kim", "Okafor",
    "Mensah",
];

/// Beginnings of composed names.
#[rustfmt::skip]
pub const STEMS: [&str; 40] = [
    "Ash", "Birk", "Brand", "Brook", "Castel", "Dal", "Dorn", "Eber", "Eck", "Falk", "Fern",
    "Gold", "Grün", "Hage", "Hart", "Hohen", "Holm", "Ingel", "Kalt", "Lang", "Linden", "Lund",
    "Marsh", "Mont", "Neu", "Nord", "Ober", "Oster", "Rams", "Reich", "Rosen", "Sand", "Stein",
    "Stock", "Sunder", "Thal", "Wald", "West", "Winter", "Zell",
];

/// Ends of composed surnames.
#[rustfmt::skip]
pub const SURNAME_ENDS: [&str; 30] = [
    "mann", "berger", "er", "son", "sen", "ström", "quist", "bauer", "hauser", "meister", "feld",
    "heimer", "ley", "ton", "wood", "worth", "ford", "well", "hoff", "kamp", "müller", "schmidt",
    "ner", "inger", "hardt", "wald", "stein", "bach", "lund", "gren",
];

/// Ends of composed names of places.
#[rustfmt::skip]
pub const TOWN_ENDS: [&str; 25] = [
    "berg", "burg", "dorf", "felden", "hausen", "heim", "stadt", "tal", "brück", "bach",
    "kirchen", "ford", "ton", "ham", "bury", "wick", "by", "ville", "court", "field", "haven",
    "mouth", "stead", "au", "see",
];

/// Names of streets, without their kind.
#[rustfmt::skip]
pub const STREETS: [&str; 60] = [
    "Main", "Church", "Station", "School", "High", "Mill", "Park", "Garden", "Forest", "Lake",
    "Meadow", "Market", "Castle", "Bridge", "Spring", "Hill", "River", "North", "South", "East",
    "West", "King", "Queen", "Victoria", "Albert", "Goethe", "Schiller", "Mozart", "Beethoven",
    "Bach", "Linden", "Oak", "Birch", "Ash", "Maple", "Chestnut", "Elm", "Rose", "Tulip", "Lily",
    "Chapel", "Abbey", "Tower", "Harbour", "Dock", "Industrial", "Railway", "Quarry", "Sand",
    "Stone", "Windmill", "Shepherd", "Baker", "Weaver", "Potter", "Mason", "Hunter", "Fisher",
    "Miller", "Smith",
];

/// Kinds of streets, with what people shorten them to.
#[rustfmt::skip]
pub const STREET_KINDS: [(&str, &str); 8] = [
    ("Street", "St"), ("Road", "Rd"), ("Avenue", "Ave"), ("Lane", "Ln"), ("Square", "Sq"),
    ("Drive", "Dr"), ("Close", "Cl"), ("Court", "Ct"),
];

/// What firms do.
#[rustfmt::skip]
pub const TRADES: [&str; 48] = [
    "Logistics", "Technik", "Tools", "Foods", "Energy", "Consulting", "Software", "Media",
    "Print", "Textil", "Bau", "Immobilien", "Pharma", "Medical", "Optics", "Elektro", "Metall",
    "Steel", "Plastics", "Chemie", "Paper", "Packaging", "Transport", "Shipping", "Travel",
    "Hotels", "Catering", "Brewery", "Wine", "Dairy", "Seeds", "Garden", "Furniture", "Glass",
    "Ceramics", "Paints", "Security", "Facility", "Cleaning", "Telecom", "Networks", "Data",
    "Systems", "Engineering", "Maschinenbau", "Automotive", "Leasing", "Insurance",
];

/// Legal forms of firms.
#[rustfmt::skip]
pub const LEGAL_FORMS: [&str; 10] = [
    "GmbH", "AG", "Ltd", "Inc", "AB", "S.A.", "GmbH & Co. KG", "B.V.", "KG", "plc",
];

/// What is paid for.
#[rustfmt::skip]
pub const GOODS: [&str; 40] = [
    "maintenance", "office supplies", "spare parts", "consulting", "licence fees", "rent",
    "cleaning", "freight", "customs", "training", "electricity", "gas", "water", "telephone",
    "hosting", "advertising", "printing", "packaging", "raw material", "steel sheets", "pallets",
    "catering", "travel expenses", "insurance premium", "leasing instalment", "security service",
    "waste disposal", "laboratory tests", "translation", "audit", "legal advice", "software",
    "hardware", "tools", "safety equipment", "fuel", "subscription", "commission", "deposit",
    "repair",
];
