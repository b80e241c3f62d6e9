#nullable enable
using System;
using System.Globalization;
using System.IO;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace GodotSDK
{
    /// <summary>The only place where JSON text is read and written. No reflection: values are LINQ-to-JSON tokens.</summary>
    internal static class Json
    {
        private const int MaxDepth = 512;

        /// <summary>Whole numbers above this may have been rounded by somebody on their way.</summary>
        public const long MaxWhole = 1L << 53;

        private static readonly JsonLoadSettings LoadSettings = new JsonLoadSettings
        {
            DuplicatePropertyNameHandling = DuplicatePropertyNameHandling.Replace,
            LineInfoHandling = LineInfoHandling.Ignore,
        };

        public static bool TryParse(string text, out JToken? token, out string why)
        {
            token = null;
            why = "has half of a surrogate pair";
            if (HasLoneSurrogate(text)) return false;
            try
            {
                token = Parse(text);
                return true;
            }
            catch (Exception e) when (e is JsonException || e is FormatException || e is OverflowException || e is ArgumentException)
            {
                why = $"is not JSON ({e.Message})";
                return false;
            }
        }

        private static JToken Parse(string text)
        {
            using var reader = new JsonTextReader(new StringReader(text))
            {
                // A chat message that looks like a date stays the text that it is.
                DateParseHandling = DateParseHandling.None,
                FloatParseHandling = FloatParseHandling.Double,
                Culture = CultureInfo.InvariantCulture,
                MaxDepth = MaxDepth,
            };
            var token = JToken.ReadFrom(reader, LoadSettings);
            while (reader.Read())
            {
                if (reader.TokenType != JsonToken.Comment) throw new JsonReaderException("more follows after its end");
            }
            return token;
        }

        public static string Write(Action<JsonWriter> write)
        {
            var text = new StringWriter(CultureInfo.InvariantCulture);
            using (var writer = new StrictWriter(text)) write(writer);
            return text.ToString();
        }

        public static string Quote(string text) => JsonConvert.ToString(text);

        /// <summary>The text in it; null if it is anything else.</summary>
        public static string? Text(JToken? token) => token?.Type == JTokenType.String ? (string?)token : null;

        public static bool IsAbsent(JToken? token) => token == null || token.Type == JTokenType.Null;

        /// <summary>A whole number from 0 to 2^53, however JSON writes it; null for everything else.</summary>
        public static long? Whole(JToken? token)
        {
            var value = (token as JValue)?.Value;
            if (value is long whole && whole >= 0 && whole <= MaxWhole) return whole;
            if (value is double real && real >= 0 && real <= MaxWhole && Math.Floor(real) == real) return (long)real;
            return null;
        }

        // The reader would put U+FFFD in its place, and the game would see a text that nobody wrote.
        private static bool HasLoneSurrogate(string text)
        {
            for (var at = text.IndexOf('\\'); at >= 0 && at + 1 < text.Length; at = at < text.Length ? text.IndexOf('\\', at) : -1)
            {
                var unit = EscapedUnit(text, at);
                if (IsLow(unit)) return true;
                if (IsHigh(unit) && !IsLow(EscapedUnit(text, at + 6))) return true;
                at += IsHigh(unit) ? 12 : 2;
            }
            return false;
        }

        private static int EscapedUnit(string text, int at)
        {
            if (at + 6 > text.Length || text[at] != '\\' || text[at + 1] != 'u') return -1;
            var isHex = int.TryParse(text.Substring(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var unit);
            return isHex ? unit : -1;
        }

        private static bool IsHigh(int unit) => unit >= 0xD800 && unit <= 0xDBFF;

        private static bool IsLow(int unit) => unit >= 0xDC00 && unit <= 0xDFFF;

        /// <summary>Refuses the numbers that JSON does not have, where the caller still can see them.</summary>
        private sealed class StrictWriter : JsonTextWriter
        {
            public StrictWriter(TextWriter text)
                : base(text)
            {
                Culture = CultureInfo.InvariantCulture;
                CloseOutput = false;
            }

            public override void WriteValue(double value)
            {
                Check(!double.IsNaN(value) && !double.IsInfinity(value));
                base.WriteValue(value);
            }

            public override void WriteValue(float value)
            {
                Check(!float.IsNaN(value) && !float.IsInfinity(value));
                base.WriteValue(value);
            }

            private static void Check(bool isFinite)
            {
                if (!isFinite) throw new ArgumentException("NaN and infinity have no place in JSON: check the payload's numbers");
            }
        }
    }
}
