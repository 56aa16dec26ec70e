"""Holds the demo's passages, and its questions with the answers expected: facts that any encyclopedia
confirms.
"""

from __future__ import annotations

from llmobs_trace import Row

PASSAGES: tuple[str, ...] = (
    "Mount Everest is the highest mountain above sea level. Its summit stands at 8849 metres on the "
    "border of Nepal and China. Edmund Hillary and Tenzing Norgay first reached the summit in 1953.",
    "The Nile flows north through eleven countries of Africa into the Mediterranean Sea. The Amazon "
    "carries more water than any other river and empties into the Atlantic Ocean.",
    "The Great Barrier Reef lies off the coast of Queensland in Australia. The capital of Australia is "
    "Canberra, although Sydney is its largest city.",
    "Lake Baikal in Siberia is the deepest lake in the world, with a depth of 1642 metres.",
    "The capital of Canada is Ottawa. The largest city of Canada is Toronto, in the province of Ontario.",
    "Brazil is the largest country of South America. Its capital has been Brasilia since 1960; before "
    "that it was Rio de Janeiro.",
    "Iceland became a republic in 1944. Its capital, Reykjavik, is the northernmost capital of a "
    "sovereign state.",
    "Mercury is the planet closest to the Sun. Venus is the hottest planet, because of its thick "
    "atmosphere of carbon dioxide.",
    "Jupiter is the largest planet of the Solar System. Galileo Galilei discovered its four largest "
    "moons in 1610.",
    "Saturn is known for its rings. Its largest moon, Titan, was discovered by Christiaan Huygens in 1655.",
    "William Herschel discovered the planet Uranus in 1781. Johann Galle first observed Neptune in 1846.",
    "The light of the Sun takes about 8 minutes to reach the Earth. The speed of light in vacuum is "
    "299792458 metres per second.",
    "Neil Armstrong was the first human to walk on the Moon, in July 1969, on the Apollo 11 mission.",
    "Yuri Gagarin became the first human in space in 1961. Valentina Tereshkova became the first woman "
    "in space in 1963.",
    "Hydrogen is the lightest chemical element; its atomic number is 1. Helium was found in the light "
    "of the Sun before it was found on Earth.",
    "Gold has the chemical symbol Au and the atomic number 79. Silver has the chemical symbol Ag.",
    "Marie Curie discovered the elements polonium and radium. She won Nobel Prizes in both physics and "
    "chemistry.",
    "Dmitri Mendeleev published his periodic table of the elements in 1869.",
    "Alexander Fleming discovered penicillin in 1928. Edward Jenner developed the smallpox vaccine in 1796.",
    "The structure of DNA was published by James Watson and Francis Crick in 1953. A human body cell "
    "normally has 46 chromosomes.",
    "Charles Darwin published On the Origin of Species in 1859. He had sailed on the ship Beagle from 1831.",
    "An adult human has 206 bones. The longest bone of the human body is the femur.",
    "The blue whale is the largest animal known to have lived. The cheetah is the fastest land animal.",
    "William Shakespeare wrote Hamlet and Macbeth. Miguel de Cervantes wrote Don Quixote, whose first "
    "part appeared in 1605.",
    "Jane Austen published Pride and Prejudice in 1813. Mary Shelley published Frankenstein in 1818.",
    "Leonardo da Vinci painted the Mona Lisa, which hangs in the Louvre in Paris. Vincent van Gogh "
    "painted The Starry Night in 1889.",
    "Johannes Gutenberg introduced printing with movable type to Europe. Alexander Graham Bell patented "
    "the telephone in 1876.",
    "Tim Berners-Lee proposed the World Wide Web at CERN in 1989. Guido van Rossum released the first "
    "version of Python in 1991.",
    "Ada Lovelace published the first algorithm meant for a machine in 1843; the machine was the "
    "Analytical Engine of Charles Babbage.",
    "Alan Turing described his universal machine in 1936. The Turing Award is named after him.",
    "The Berlin Wall fell in 1989. Germany was reunified in 1990.",
    "The Titanic sank in April 1912 after it struck an iceberg. The first modern Olympic Games were "
    "held in Athens in 1896.",
)


_QUESTIONS: tuple[tuple[str, str], ...] = (
    ("How high is the summit of Mount Everest in metres?", "8849"),
    ("In which year was the summit of Mount Everest first reached?", "1953"),
    ("Into which sea does the Nile flow?", "Mediterranean Sea"),
    ("Which river carries more water than any other?", "Amazon"),
    ("What is the capital of Australia?", "Canberra"),
    ("What is the largest city of Australia?", "Sydney"),
    ("What is the deepest lake in the world?", "Lake Baikal"),
    ("What is the capital of Canada?", "Ottawa"),
    ("What is the largest city of Canada?", "Toronto"),
    ("Since which year has Brasilia been the capital of Brazil?", "1960"),
    ("In which year did Iceland become a republic?", "1944"),
    ("Which planet is closest to the Sun?", "Mercury"),
    ("Which planet is the hottest?", "Venus"),
    ("What is the largest planet of the Solar System?", "Jupiter"),
    ("Who discovered the four largest moons of Jupiter?", "Galileo Galilei"),
    ("What is the largest moon of Saturn?", "Titan"),
    ("Who discovered Titan?", "Christiaan Huygens"),
    ("Who discovered the planet Uranus?", "William Herschel"),
    ("In which year was Neptune first observed?", "1846"),
    ("How many minutes does the light of the Sun take to reach the Earth?", "8"),
    ("Who was the first human to walk on the Moon?", "Neil Armstrong"),
    ("Who became the first human in space?", "Yuri Gagarin"),
    ("In which year did Valentina Tereshkova become the first woman in space?", "1963"),
    ("What is the lightest chemical element?", "Hydrogen"),
    ("What is the chemical symbol of gold?", "Au"),
    ("What is the atomic number of gold?", "79"),
    ("Who discovered the elements polonium and radium?", "Marie Curie"),
    ("Who published the periodic table of the elements?", "Dmitri Mendeleev"),
    ("Who discovered penicillin?", "Alexander Fleming"),
    ("In which year was the smallpox vaccine developed?", "1796"),
    ("How many chromosomes does a human body cell normally have?", "46"),
    ("In which year was On the Origin of Species published?", "1859"),
    ("How many bones does an adult human have?", "206"),
    ("What is the longest bone of the human body?", "femur"),
    ("What is the fastest land animal?", "cheetah"),
    ("Who wrote Don Quixote?", "Miguel de Cervantes"),
    ("Who wrote Macbeth?", "William Shakespeare"),
    ("Who published Frankenstein?", "Mary Shelley"),
    ("In which year was Pride and Prejudice published?", "1813"),
    ("Who painted the Mona Lisa?", "Leonardo da Vinci"),
    ("In which city does the Mona Lisa hang?", "Paris"),
    ("Who patented the telephone?", "Alexander Graham Bell"),
    ("Who proposed the World Wide Web?", "Tim Berners-Lee"),
    ("In which year was the first version of Python released?", "1991"),
    ("Who described the universal machine in 1936?", "Alan Turing"),
    ("In which year did the Berlin Wall fall?", "1989"),
    ("In which year did the Titanic sink?", "1912"),
    # No word of it stands in the passages: the model has nothing to go on, and says so by raising.
    ("Wieviel kostet ein Brezel?", "unknown"),
)

ROWS: tuple[Row, ...] = tuple(
    Row(question, expected_output=expected, id=f"question-{number:02d}")
    for number, (question, expected) in enumerate(_QUESTIONS, start=1)
)
