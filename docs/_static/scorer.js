// Orders the hits of the search: tasks and answers come before the reference, and what is for developers comes last.
const RANKS = [
  [/^(development|benchmarks.*|errors|bad-input|nist|guesses)$/, 0.2],
  [/^howto\/command$/, 1.2],
  [/^howto\//, 3],
  [/^(start|which)$/, 3],
  [/^faq\/index$/, 0.5],
  [/^faq\//, 3],
  [/^(guide|formulas|models|porting.*|generated\/tutorials\/.*)$/, 2],
  [/^glossary$/, 1.5],
];

var Scorer = {
  score: ([docname, title, anchor, descr, score]) => {
    const found = RANKS.find(([pattern]) => pattern.test(docname));
    return score * (found ? found[1] : 1);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
