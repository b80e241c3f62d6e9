#nullable enable
using System;
using System.Globalization;
using System.Text;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>
    /// Reads JSON as RFC 8259 has it, and nothing else: Newtonsoft's own reader also takes comments, NaN, single quotes and names
    /// without quotes, so that other SDKs would see other messages. What is no JSON, is too deep, or has half of a surrogate pair in
    /// a text is a <see cref="FormatException"/>.
    /// </summary>
    internal sealed class JsonParser
    {
        private const int MaxDepth = 512;

        private readonly string text;
        private StringBuilder? unescaped;
        private int at;
        private int depth;

        private JsonParser(string text)
        {
            this.text = text;
        }

        public static JToken Parse(string text)
        {
            var parser = new JsonParser(text);
            var token = parser.Value();
            if (parser.Next() != '\0' || parser.at < text.Length) throw parser.Wrong("more follows after its end");
            return token;
        }

        private JToken Value()
        {
            var first = Next();
            switch (first)
            {
                case '{': return Object();
                case '[': return Array();
                case '"': return new JValue(Text());
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return first == '-' || IsDigit(first) ? Number() : throw Wrong("a value is missing");
            }
        }

        private JObject Object()
        {
            var members = new JObject();
            Enter();
            if (Next() == '}') return Leave(members);
            while (true)
            {
                if (Next() != '"') throw Wrong("a member's name is missing");
                var name = Text();
                if (Next() != ':') throw Wrong("a colon is missing");
                at += 1;
                // Of two with the same name the last one counts.
                members[name] = Value();
                var end = Next();
                if (end == '}') return Leave(members);
                if (end != ',') throw Wrong("a comma is missing");
                at += 1;
            }
        }

        private JArray Array()
        {
            var items = new JArray();
            Enter();
            if (Next() == ']') return Leave(items);
            while (true)
            {
                items.Add(Value());
                var end = Next();
                if (end == ']') return Leave(items);
                if (end != ',') throw Wrong("a comma is missing");
                at += 1;
            }
        }

        private void Enter()
        {
            at += 1;
            depth += 1;
            if (depth > MaxDepth) throw Wrong($"it is deeper than {MaxDepth} levels");
        }

        private T Leave<T>(T container)
        {
            at += 1;
            depth -= 1;
            return container;
        }

        private JValue Word(string word, bool? value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw Wrong("a value is missing");
            at += word.Length;
            return value == null ? JValue.CreateNull() : new JValue(value.Value);
        }

        private JValue Number()
        {
            var start = at;
            var isWhole = true;
            if (text[at] == '-') at += 1;
            if (Char() == '0') at += 1;
            else Digits();
            if (Char() == '.')
            {
                isWhole = false;
                at += 1;
                Digits();
            }
            if (Char() == 'e' || Char() == 'E')
            {
                isWhole = false;
                at += 1;
                if (Char() == '+' || Char() == '-') at += 1;
                Digits();
            }
            var digits = text.AsSpan(start, at - start);
            if (isWhole && long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole)) return new JValue(whole);
            if (isWhole && ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var large)) return new JValue(large);
            var isInRange = double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var real);
            return new JValue(isInRange ? real : digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity);
        }

        private void Digits()
        {
            if (!IsDigit(Char())) throw Wrong("a digit is missing");
            while (IsDigit(Char())) at += 1;
        }

        private string Text()
        {
            var start = at += 1;
            while (true)
            {
                var unit = Char();
                if (unit == '"') break;
                if (unit == '\\') return Escaped(start);
                if (unit < ' ') throw Wrong(at < text.Length ? "a text holds a control character" : "a text has no end");
                at += 1;
            }
            at += 1;
            return text.Substring(start, at - 1 - start);
        }

        private string Escaped(int start)
        {
            var result = (unescaped ??= new StringBuilder()).Clear();
            while (true)
            {
                while (Char() >= ' ' && Char() != '"' && Char() != '\\') at += 1;
                result.Append(text, start, at - start);
                var unit = Char();
                if (unit != '"' && unit != '\\') throw Wrong(at < text.Length ? "a text holds a control character" : "a text has no end");
                at += 1;
                if (unit == '"') return result.ToString();
                Escape(result);
                start = at;
            }
        }

        private void Escape(StringBuilder result)
        {
            var letter = Char();
            at += 1;
            var place = "\"\\/bfnrt".IndexOf(letter);
            if (letter != 'u')
            {
                result.Append(place >= 0 ? "\"\\/\b\f\n\r\t"[place] : throw Wrong("an escape is unknown"));
                return;
            }
            var unit = Hex();
            result.Append(unit);
            if (!char.IsSurrogate(unit)) return;
            // One half alone is no character: the game would see a text that nobody wrote.
            var isPair = char.IsHighSurrogate(unit) && Char() == '\\' && at + 1 < text.Length && text[at + 1] == 'u';
            if (isPair) at += 2;
            var low = isPair ? Hex() : unit;
            if (!char.IsLowSurrogate(low) || !isPair) throw Wrong("a text has half of a surrogate pair");
            result.Append(low);
        }

        private char Hex()
        {
            var unit = 0;
            for (var end = at + 4; at < end; at++)
            {
                var digit = "0123456789abcdef".IndexOf(char.ToLowerInvariant(Char()));
                if (digit < 0) throw Wrong("an escape is unknown");
                unit = unit * 16 + digit;
            }
            return (char)unit;
        }

        /// <summary>The next character behind white space, which is passed over.</summary>
        private char Next()
        {
            while (at < text.Length && (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) at += 1;
            return Char();
        }

        private char Char() => at < text.Length ? text[at] : '\0';

        private static bool IsDigit(char c) => c >= '0' && c <= '9';

        private FormatException Wrong(string why) => new FormatException($"{why}, at {at}");
    }
}
